//! What is under a name: what the bucket shows, and which version of the ledger that is.

use crate::Shared;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::bucket::Bucket;
use qm_core::ports::look::{Likely, Look};
use qm_core::{Error, Kind, Result};
use std::time::Duration;
use tokio::time::Instant;

/// Small files are whole by then. Longer nobody relies on the store: some take the condition of a
/// request and forget it.
const LOOK_KEPT: Duration = Duration::from_secs(30);

/// What a name showed when a file was opened under it.
#[derive(Debug)]
pub(crate) struct Opened {
    look: Look,
    at: Instant,
}

impl Opened {
    /// `None` if it is of no use later.
    pub(crate) fn of(look: Look, at: Instant) -> Option<Self> {
        look.lasts.then_some(Self { look, at })
    }
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

    /// The same, from an earlier look where that is enough: our own changes since then are in the
    /// ledger, and those of others are seen when the change is carried out.
    pub(crate) async fn find_since(
        &self,
        bucket: &dyn Bucket,
        path: &ObjectPath,
        opened: Option<&Opened>,
    ) -> Result<Found> {
        if let Some(opened) = opened.filter(|opened| opened.at.elapsed() < LOOK_KEPT) {
            let version = self.parts.ledger.current(path).await?;
            let identity = version.as_ref().map(|version| &version.identity);
            if identity == opened.look.identity.as_ref() {
                return Ok(Found {
                    look: opened.look.clone(),
                    version,
                });
            }
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
