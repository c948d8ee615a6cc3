//! WRITE, in runs: neighbours are handed over at once.

use qm_core::ports::bucket::Chunk;
use qm_core::{Error, Kind};

use super::{Flow, done, failed};
use crate::session::{Open, Session};
use crate::wire::HandleId;
use qm_sftp_wire::Status;

/// Answers every one of `ids`. When the upload failed, the channel is to be closed: some clients
/// never look at the replies to their WRITEs, and would report success.
pub(crate) async fn write(
    session: &mut Session,
    handle: HandleId,
    ids: &[u32],
    chunks: Vec<Chunk>,
) -> Flow {
    let (written, on_failure) = match session.handles.get(handle) {
        Ok(Open::Writing(writing)) if chunks.is_empty() => {
            // A WRITE of nothing asks for nothing.
            let _ = writing;
            (Ok(()), Flow::Continue)
        }
        Ok(Open::Writing(writing)) => (writing.upload.write(chunks).await, Flow::Close),
        Ok(Open::Reading(_) | Open::Listed(_)) => (
            Err(Error::new(
                Kind::Refused,
                "that file was not opened for writing",
            )),
            Flow::Continue,
        ),
        Err(error) => (Err(error), Flow::Continue),
    };
    match written {
        Ok(()) => {
            for id in ids {
                done(session, *id);
            }
            Flow::Continue
        }
        Err(error) => {
            // Logged once, answered to each.
            if let Some((first, others)) = ids.split_first() {
                failed(session, *first, "write", &error);
                for id in others {
                    session
                        .replies
                        .status(*id, Status::of(error.kind()), error.public_message());
                }
            }
            on_failure
        }
    }
}
