//! What is under a name: what the bucket shows, and which version of the ledger that is.

use crate::Shared;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::bucket::Bucket;
use qm_core::ports::look::{Likely, Look};
use qm_core::{Error, Kind, Result};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Small files are whole by then. A folder that others make meanwhile is not seen.
const LOOK_KEPT: Duration = Duration::from_secs(30);

/// When a name was looked at that showed nothing.
#[derive(Debug)]
pub(crate) struct Opened {
    at: Instant,
    folder_changes: u64,
}

/// What a name shows.
pub(crate) struct Found {
    pub(crate) look: Look,
    /// Unless somebody put another file there behind our back.
    pub(crate) version: Option<Version>,
}

impl Shared {
    /// Looks at a name.
    pub(crate) async fn find(&self, bucket: &dyn Bucket, path: &ObjectPath) -> Result<Found> {
        let expected = if asks_far(bucket) {
            self.parts.ledger.current(path).await?
        } else {
            None
        };
        let look = bucket.look(&path.key, likely(expected.as_ref())).await?;
        let Some(identity) = &look.identity else {
            return Ok(Found {
                look,
                version: None,
            });
        };
        let is_shown = |version: &Version| version.identity == *identity;
        let version = match expected.filter(is_shown) {
            Some(version) => Some(version),
            // It may be known by now.
            None => self.parts.ledger.current(path).await?.filter(is_shown),
        };
        Ok(Found { look, version })
    }

    /// To be asked before the name is looked at.
    pub(crate) fn opening(&self) -> Opened {
        Opened {
            at: Instant::now(),
            folder_changes: self.folder_changes.load(Ordering::SeqCst),
        }
    }

    /// The same, from an earlier look that showed nothing where that is enough: files that came
    /// through us since then are in the ledger, and those of others are replaced in any case.
    pub(crate) async fn find_since(
        &self,
        bucket: &dyn Bucket,
        path: &ObjectPath,
        opened: Option<&Opened>,
    ) -> Result<Found> {
        let holds = |opened: &Opened| {
            opened.at.elapsed() < LOOK_KEPT
                && opened.folder_changes == self.folder_changes.load(Ordering::SeqCst)
        };
        if asks_far(bucket)
            && opened.is_some_and(holds)
            && self.parts.ledger.current(path).await?.is_none()
        {
            return Ok(Found {
                look: Look::default(),
                version: None,
            });
        }
        self.find(bucket, path).await
    }

    /// Looks at a name without asking which version it shows.
    pub(crate) async fn look(&self, bucket: &dyn Bucket, path: &ObjectPath) -> Result<Look> {
        if !asks_far(bucket) {
            let entry = bucket.stat(&path.key.as_prefix()).await?;
            return Ok(Look {
                entry,
                ..Look::default()
            });
        }
        let expected = self.parts.ledger.current(path).await?;
        bucket.look(&path.key, likely(expected.as_ref())).await
    }
}

/// Whether each look is a request to another machine, so that it pays to ask the right one first.
fn asks_far(bucket: &dyn Bucket) -> bool {
    !bucket.keeps_attributes()
}

fn likely(expected: Option<&Version>) -> Likely {
    if expected.is_some() {
        Likely::File
    } else {
        Likely::NoFile
    }
}

/// Refuses a key whose folder is not there.
pub(crate) async fn check_folder(bucket: &dyn Bucket, key: &ObjectKey) -> Result<()> {
    if bucket.has_folder(&key.folder()).await? {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotFound,
        "the folder for this file does not exist",
    ))
}
