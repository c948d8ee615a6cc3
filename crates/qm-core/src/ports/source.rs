//! What the engine asks to be done to objects when their deliveries have ended.

use async_trait::async_trait;

use crate::Result;
use crate::id::VersionId;
use crate::name::{ObjectKey, ObjectPath};

/// Changes of names that nobody logged in asks for. Each touches one version: `Ok(false)` if the name
/// shows another one by now, or none.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Removes the object; the bucket's retention says how long the version is kept.
    async fn remove(&self, path: &ObjectPath, version: VersionId, why: &str) -> Result<bool>;

    /// Renames the object within its bucket, folders made; no arrival, so no trigger. Where a file has
    /// the name, both stay: this one becomes `NAME~2.EXTENSION`, or the next that is free. Says which
    /// name it got; `None` as `Ok(false)` above.
    async fn move_to(
        &self,
        path: &ObjectPath,
        version: VersionId,
        to: &ObjectKey,
        why: &str,
    ) -> Result<Option<ObjectKey>>;
}
