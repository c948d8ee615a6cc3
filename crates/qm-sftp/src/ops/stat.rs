//! STAT, LSTAT and FSTAT.

use jiff::Timestamp;
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_core::{Kind, Result};

use super::Answer;
use crate::session::{Open, Session};
use crate::wire::HandleId;

/// What an open file shows whose name is gone.
const MODE_OF_NAMELESS: u32 = 0o600;

pub(super) async fn stat(session: &Session, path: &[u8]) -> Result<Answer> {
    let path = session.mailbox.locate(path)?;
    session.mailbox.stat(&path).await.map(Answer::Attributes)
}

pub(super) async fn fstat(session: &mut Session, handle: HandleId) -> Result<Answer> {
    let (path, size_bytes) = match session.handles.get(handle)? {
        Open::Writing(writing) => return Ok(Answer::Attributes(writing.upload.stat())),
        Open::Listed(listed) => {
            let path = listed.path.clone();
            return session.mailbox.stat(&path).await.map(Answer::Attributes);
        }
        Open::Reading(reading) => (reading.path.clone(), reading.content.size_bytes()),
    };
    let entry = match session.mailbox.stat(&path).await {
        // The size of what is open, not of what has the name by now.
        Ok(entry) => Entry {
            size_bytes,
            ..entry
        },
        Err(error) if error.kind() == Kind::NotFound => Entry {
            name: String::new(),
            kind: EntryKind::File,
            size_bytes,
            is_sealed: false,
            modified: Timestamp::UNIX_EPOCH,
            mode: MODE_OF_NAMELESS,
        },
        Err(error) => return Err(error),
    };
    Ok(Answer::Attributes(entry))
}
