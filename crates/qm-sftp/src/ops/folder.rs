//! MKDIR and RMDIR.

use qm_core::Result;
use qm_core::audit::Activity;

use super::Answer;
use crate::session::Session;

/// The permissions that a client wants are not taken: a mailbox's folders are all alike.
pub(super) async fn mkdir(session: &Session, path: &[u8]) -> Result<Answer> {
    let path = session.mailbox.resolve(path, Activity::Mkdir).await?;
    session.mailbox.make_folder(&path).await?;
    Ok(Answer::Done)
}

pub(super) async fn rmdir(session: &Session, path: &[u8]) -> Result<Answer> {
    let path = session.mailbox.resolve(path, Activity::Rmdir).await?;
    session.mailbox.remove_folder(&path).await?;
    Ok(Answer::Done)
}
