//! REMOVE.

use qm_core::Result;
use qm_core::name::MailboxPath;

use super::Answer;
use crate::session::Session;

pub(super) async fn remove(session: &Session, path: &[u8]) -> Result<Answer> {
    let path = MailboxPath::parse(path)?;
    session.mailbox.remove(&path).await?;
    Ok(Answer::Done)
}
