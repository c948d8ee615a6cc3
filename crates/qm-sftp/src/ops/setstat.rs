//! SETSTAT, FSETSTAT and `lsetstat@openssh.com`. Owners are ignored with success: clients set
//! them by habit, and nobody here has a numeric owner.

use qm_core::Result;
use qm_core::audit::Activity;
use qm_core::name::MailboxPath;
use qm_core::ports::bucket::Attributes;

use super::{Answer, unsupported};
use crate::session::{Open, Session};
use crate::wire::{HandleId, WireAttributes};

pub(super) async fn setstat(
    session: &mut Session,
    path: &[u8],
    attributes: WireAttributes,
) -> Result<Answer> {
    let path = session.mailbox.resolve(path, Activity::Setstat).await?;
    if let Some(writing) = session.handles.upload_to(&path) {
        if let Some(size_bytes) = attributes.size_bytes {
            writing.upload.set_size(size_bytes).await?;
        }
        writing.upload.set_attributes(attributes.settable()).await?;
        return Ok(Answer::Done);
    }
    set_by_name(session, &path, attributes).await
}

/// `scp` opens without TRUNC, writes, and then sets the size; others set times or permissions
/// before the first WRITE.
pub(super) async fn fsetstat(
    session: &mut Session,
    handle: HandleId,
    attributes: WireAttributes,
) -> Result<Answer> {
    let path = match session.handles.get(handle)? {
        Open::Writing(writing) => {
            if let Some(size_bytes) = attributes.size_bytes {
                writing.upload.set_size(size_bytes).await?;
            }
            if attributes.settable() != Attributes::default() {
                writing.upload.set_attributes(attributes.settable()).await?;
            }
            return Ok(Answer::Done);
        }
        Open::Reading(reading) => reading.path.clone(),
        Open::Listed(listed) => listed.path.clone(),
    };
    set_by_name(session, &path, attributes).await
}

async fn set_by_name(
    session: &Session,
    path: &MailboxPath,
    attributes: WireAttributes,
) -> Result<Answer> {
    let settable = attributes.settable();
    if attributes.size_bytes.is_some() || settable == Attributes::default() {
        // Also what tells a client that the file is not there.
        let entry = session.mailbox.stat(path).await?;
        if attributes
            .size_bytes
            .is_some_and(|wanted| wanted != entry.size_bytes)
        {
            return Err(unsupported(
                "the size of a finished file cannot be changed; please upload it again",
            ));
        }
    }
    if settable != Attributes::default() {
        session.mailbox.set_attributes(path, settable).await?;
    }
    Ok(Answer::Done)
}
