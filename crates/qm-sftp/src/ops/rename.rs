//! RENAME and `posix-rename@openssh.com`; they differ in what happens to a file that has the new
//! name.

use qm_core::Result;
use qm_core::audit::Activity;
use qm_core::ports::mailbox::Existing;

use super::Answer;
use crate::session::Session;

pub(super) async fn rename(
    session: &Session,
    from: &[u8],
    to: &[u8],
    existing: Existing,
) -> Result<Answer> {
    let from = session.mailbox.resolve(from, Activity::Rename).await?;
    let to = session.mailbox.resolve(to, Activity::Rename).await?;
    session.mailbox.rename(&from, &to, existing).await?;
    Ok(Answer::Done)
}
