//! OPEN. Everything that can be refused is refused here: most clients report no later error.

use qm_core::audit::Activity;
use qm_core::ports::mailbox::WriteOptions;
use qm_core::{Error, Kind, Result};

use super::Answer;
use crate::session::{Open, Reading, Session, Writing};
use crate::wire::{OpenFlags, WireAttributes};

pub(super) async fn open(
    session: &mut Session,
    path: &[u8],
    flags: OpenFlags,
    attributes: WireAttributes,
) -> Result<Answer> {
    let place = session.handles.place()?;
    let activity = if flags.writes() {
        Activity::Upload
    } else {
        Activity::Open
    };
    let path = session.mailbox.resolve(path, activity).await?;
    let open = if flags.writes() {
        let options = WriteOptions {
            create: flags.creates(),
            exclusive: flags.creates() && flags.is_exclusive(),
            truncate: flags.truncates(),
            append: flags.appends(),
            read: flags.reads(),
            size_hint: attributes.size_bytes,
            attributes: attributes.settable(),
        };
        Open::Writing(Writing {
            upload: session.mailbox.write(&path, options).await?,
            path,
            reads: flags.reads(),
        })
    } else if flags.creates() || flags.truncates() {
        return Err(Error::new(
            Kind::Invalid,
            "a file that is made or emptied must be opened for writing",
        ));
    } else {
        Open::Reading(Reading {
            content: session.mailbox.read(&path).await?,
            path,
        })
    };
    Ok(Answer::Opened(session.handles.insert(open, place)))
}
