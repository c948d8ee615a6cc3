//! Whole files that one request will make an object of, once their name operation is recorded.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

use super::client::{Metadata, PartBody};
use qm_core::id::VersionId;

/// A session that is lost drops what it staged, while the operation it asked for goes on without
/// it. After so long no operation has still to begin.
const ORPHAN_KEPT: Duration = Duration::from_mins(2);

/// Sealed files by version. An entry is there until it is published, and for a while after its
/// staged bytes were dropped.
#[derive(Default)]
pub(crate) struct SmallFiles(Mutex<HashMap<VersionId, SmallFile>>);

/// A file that is one request.
#[derive(Clone)]
pub(crate) struct SmallFile {
    pub(crate) body: PartBody,
    /// What the object will carry.
    pub(crate) metadata: Metadata,
}

impl SmallFiles {
    /// The bytes of a version; `None` if it is no small file or was dropped.
    pub(crate) fn get(&self, version: VersionId) -> Option<SmallFile> {
        self.0.lock().get(&version).cloned()
    }

    pub(super) fn put(&self, version: VersionId, file: SmallFile) {
        self.0.lock().insert(version, file);
    }

    pub(super) fn remove(&self, version: VersionId) {
        self.0.lock().remove(&version);
    }

    /// Nobody will change the bytes any more; whoever publishes them has begun, or soon will.
    pub(super) fn orphan(self: &Arc<Self>, version: VersionId) {
        if self.get(version).is_none() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let files = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(ORPHAN_KEPT).await;
            if let Some(files) = files.upgrade() {
                files.remove(version);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> SmallFile {
        SmallFile {
            body: PartBody::Bytes(bytes::Bytes::from_static(b"one")),
            metadata: Metadata::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_orphan_is_there_for_a_while() {
        let files = Arc::new(SmallFiles::default());
        let version = VersionId::from_parts(1, 2);
        files.put(version, file());
        files.orphan(version);
        tokio::time::sleep(ORPHAN_KEPT / 2).await;
        assert!(files.get(version).is_some());
        tokio::time::sleep(ORPHAN_KEPT).await;
        assert!(files.get(version).is_none());
    }
}
