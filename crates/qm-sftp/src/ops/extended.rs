//! `fsync@openssh.com`, `statvfs@openssh.com` and `fstatvfs@openssh.com`.

use qm_core::Result;

use super::Answer;
use crate::session::{Open, Session};
use crate::wire::HandleId;

/// Makes what was received durable so that it can be resumed; it is no arrival.
pub(super) async fn fsync(session: &mut Session, handle: HandleId) -> Result<Answer> {
    match session.handles.get(handle)? {
        Open::Writing(writing) => writing.upload.flush().await?,
        Open::Reading(_) | Open::Listed(_) => {}
    }
    Ok(Answer::Done)
}

pub(super) async fn statvfs(session: &Session, path: &[u8]) -> Result<Answer> {
    session.mailbox.locate(path)?;
    session.mailbox.space().await.map(Answer::Space)
}

pub(super) async fn fstatvfs(session: &mut Session, handle: HandleId) -> Result<Answer> {
    session.handles.get(handle)?;
    session.mailbox.space().await.map(Answer::Space)
}
