//! What tells whether a file is still the same.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use qm_core::id::Sha256Digest;
use qm_core::notification::Sighting;
use qm_core::operation::Version;
use qm_core::ports::bucket::Entry;
use qm_core::ports::ledger::RawEvent;

use super::WatchPorts;

/// What tells whether a file is still the same, as far as it was looked at.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Mark {
    pub(super) size_bytes: u64,
    pub(super) is_sealed: bool,
    pub(super) modified: Timestamp,
    pub(super) identity: Option<String>,
}

/// The event that says that the file was removed, which the ledger has under its name as that version.
pub(super) fn removal(key: &str, current: &Version, ports: &WatchPorts) -> RawEvent {
    let sighting = Sighting {
        key: key.to_owned(),
        native_version: None,
        etag: None,
        size_bytes: None,
        sequencer: None,
        at: None,
        is_removal: true,
    };
    RawEvent {
        bucket: ports.bucket.clone(),
        id: format!("gone:{}", current.id),
        body: sighting.report(),
        received_at: ports.clock.now(),
    }
}

impl Mark {
    pub(super) fn of(entry: &Entry, identity: Option<String>) -> Self {
        Self {
            size_bytes: entry.size_bytes,
            is_sealed: entry.is_sealed,
            modified: entry.modified,
            identity,
        }
    }

    /// The event that says that the file was seen. The same file over the same predecessor is the
    /// same event; one that was there before, and is again, is another.
    pub(super) fn event(
        &self,
        key: &str,
        before: Option<&Version>,
        ports: &WatchPorts,
    ) -> RawEvent {
        let sighting = Sighting {
            key: key.to_owned(),
            native_version: None,
            etag: self.identity.clone(),
            size_bytes: Some(self.size_bytes),
            sequencer: None,
            at: Some(self.modified),
            is_removal: false,
        };
        let body = sighting.report();
        let mut digest = Context::new(&SHA256);
        digest.update(body.as_bytes());
        if let Some(before) = before {
            digest.update(before.id.to_string().as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        RawEvent {
            bucket: ports.bucket.clone(),
            id: format!("watch:{}", Sha256Digest(bytes)),
            body,
            received_at: ports.clock.now(),
        }
    }
}
