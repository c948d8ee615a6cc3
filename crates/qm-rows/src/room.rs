//! Memory for workbooks that are held while they are uploaded: however many come at once, all of them
//! together have so much.

use qm_core::{Error, Kind, Result};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::UPLOADS_BYTES;

/// Of all workbooks of the process.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// What one of them has, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room {
    bytes: usize,
}

impl Room {
    /// `Limit` if there is not as much left. Nobody waits: who held a part of a workbook meanwhile
    /// would keep the others waiting.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        let more = |taken: usize| {
            let taken = taken.checked_add(bytes)?;
            (taken <= UPLOADS_BYTES).then_some(taken)
        };
        TAKEN
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| {
                let sentence = "too many workbooks are being checked at once; send it again later";
                Error::new(Kind::Limit, sentence)
            })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
