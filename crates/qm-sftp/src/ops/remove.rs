//! REMOVE.

use qm_core::Result;
use qm_core::audit::Activity;

use super::Answer;
use crate::session::Session;

pub(super) async fn remove(session: &Session, path: &[u8]) -> Result<Answer> {
    let path = session.mailbox.resolve(path, Activity::Delete).await?;
    session.mailbox.remove(&path).await?;
    Ok(Answer::Done)
}
