//! A listing of a folder and all below it, in pieces: memory is bounded by its depth.

use qm_core::name::Prefix;
use qm_core::ports::bucket::{Bucket, Entry, Listing};
use qm_core::{Kind, Result};

/// A walk that stands still between pieces.
pub(super) struct Walk {
    frames: Vec<Frame>,
    /// What the listings passed over.
    unnamed: Vec<String>,
    /// True if it began at the root: what it does not find is not there.
    pub(super) is_whole: bool,
}

struct Frame {
    folder: Prefix,
    listing: Box<dyn Listing>,
}

impl Walk {
    pub(super) fn begin(is_whole: bool) -> Self {
        Self {
            frames: Vec::new(),
            unnamed: Vec::new(),
            is_whole,
        }
    }

    /// Goes into a folder; one that is gone is nothing to go into.
    pub(super) async fn enter(&mut self, bucket: &dyn Bucket, folder: Prefix) -> Result<()> {
        match bucket.list(&folder).await {
            Ok(listing) => self.frames.push(Frame { folder, listing }),
            Err(error) if error.kind() == Kind::NotFound && !folder.is_root() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Some entries of the deepest folder; `None` at the end. After an error the rest of that
    /// folder is left out.
    pub(super) async fn next(&mut self) -> Result<Option<(Prefix, Vec<Entry>)>> {
        while let Some(frame) = self.frames.last_mut() {
            let next = frame.listing.next().await;
            self.unnamed.extend(frame.listing.take_unnamed());
            match next {
                Ok(Some(entries)) => return Ok(Some((frame.folder.clone(), entries))),
                Ok(None) => {
                    self.frames.pop();
                }
                Err(error) => {
                    self.frames.pop();
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Paths that the listings passed over since they were last taken.
    pub(super) fn take_unnamed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unnamed)
    }
}
