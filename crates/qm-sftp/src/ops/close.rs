//! CLOSE. For an upload its success is the promise that the file is whole, durable and recorded
//! (INV-5).

use qm_core::Result;

use super::Answer;
use crate::session::{Open, Session};
use crate::wire::HandleId;

pub(super) async fn close(session: &mut Session, handle: HandleId) -> Result<Answer> {
    let (open, _place) = session.handles.remove(handle)?;
    match open {
        Open::Writing(writing) => writing.upload.commit().await?,
        Open::Reading(_) | Open::Listed(_) => {}
    }
    Ok(Answer::Done)
}
