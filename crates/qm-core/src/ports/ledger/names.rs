//! Versions, names, what is kept of them, and attributes of names.

use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::alert::NewAlert;
use crate::audit::AuditRecord;
use crate::id::{ArrivalSeq, BucketName, VersionId};
use crate::name::{ObjectPath, Prefix};
use crate::operation::{NameChange, Operation, Version};
use crate::ports::BoxFuture;
use crate::ports::bucket::Attributes;

/// Versions, name operations, and which version is current under which name.
#[async_trait]
pub trait Names: Send + Sync {
    /// Records a change before it is made: version (if new), operation, arrival (if any; its
    /// state is `appearing`) and audit record, in one transaction. `Arrival::duplicate_of` is
    /// decided here: same account, path and digest within 24 h. A partial with the change's
    /// version is forgotten in the same transaction. `Conflict` if an operation on one of the names
    /// is pending, which only another node's can be: try again when it has ended. `Conflict` too if
    /// one of the names shows another version than was [`NameChange::seen`]: decide again.
    async fn record(&self, change: NameChange) -> Result<Operation>;

    /// The operation was run: its arrival has `arrived` and can be routed, the names are moved,
    /// `replaces` is registered as kept if it was kept aside, and `version` if `keep_moved`.
    /// Enqueued during the call, in the order of calls; only a `record` that comes later, of other
    /// names, may count earlier. The future ends when it is durable. Until then readers may not see it: whoever relies on
    /// [`Names::current`] keeps the names locked to the end.
    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>>;

    /// The operation failed for good: its arrival is `failed`, the names stay as they were, and
    /// the alert is raised as by [`Alerts::raise`], in one transaction. Failing it again changes
    /// nothing.
    async fn fail(&self, operation: &Operation, reason: &str, alert: NewAlert) -> Result<()>;

    /// Operations recorded and neither completed nor failed, in seq order, at most one a key: those
    /// of nodes whose lease is over, of this node's earlier runs, and of this run. They are this
    /// run's now; another's `complete` or `fail` changes nothing any more.
    async fn pending(&self) -> Result<Vec<Operation>>;

    /// True while the operation is pending and this run's, under the lease that it was recorded
    /// or taken over under: nobody else may run it.
    async fn is_mine(&self, operation: &Operation) -> Result<bool>;

    /// The version that the last completed operation left under the name.
    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>>;

    /// True while something still needs the version's bytes: an arrival of it not routed yet, or
    /// a delivery of it that is waiting, running or dead.
    async fn is_needed(&self, version: VersionId) -> Result<bool>;

    /// Current versions that were completed without an arrival and still have
    /// [`Version::staged`]: uploads under temp names that their bucket shows no object for.
    /// [`Names::complete`] of an operation with an arrival clears `staged`.
    async fn hidden(&self) -> Result<Vec<(ObjectPath, Version)>>;

    /// Others put a file into the bucket: version, current name and an arrival with
    /// [`crate::arrival::Cause::Found`] that has `arrived`, in one transaction. `None`, and nothing
    /// recorded, if the version under the name has this identity and digest already (a file that is
    /// written in place keeps its identity), was received by us (`version.id` is known), an
    /// operation on the name is pending, or the name shows another version than `seen`, the one
    /// that was current before the file was read: what was read may be older than that.
    async fn found(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        version: Version,
        audit: AuditRecord,
    ) -> Result<Option<ArrivalSeq>>;

    /// The versions kept under a name: superseded or removed there, newest first.
    async fn kept(&self, path: &ObjectPath) -> Result<Vec<KeptVersion>>;

    /// All versions of a bucket whose bytes are kept though their name shows others, or none.
    async fn kept_in(&self, bucket: &BucketName) -> Result<Vec<KeptVersion>>;

    /// Versions kept aside that nothing needs any more and no retention keeps: those that were only
    /// kept for a delivery (under the key they had been renamed from), and of the superseded and
    /// removed ones those beyond [`Retention::versions`] of their name or as old as
    /// [`Retention::age`]. Buckets that are not in `retention` keep everything. Some at a time.
    ///
    /// What is named here is given up, in the transaction that looked: it is among the
    /// [`Names::kept`] no more, [`Names::record`] refuses to restore it (`NotFound`), and it is named
    /// again until it is [`Names::released`]. So bytes can be removed without another look, and a
    /// crash in between neither leaves bytes that nobody knows nor a promise without bytes.
    async fn releasable(
        &self,
        retention: &BTreeMap<BucketName, Retention>,
        now: Timestamp,
    ) -> Result<Vec<KeptVersion>>;

    /// The bytes of versions that [`Names::releasable`] named are gone.
    async fn released(&self, versions: &[VersionId]) -> Result<()>;

    /// A version by id.
    async fn version(&self, id: VersionId) -> Result<Option<Version>>;
}

/// A version whose bytes are kept though no name shows them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptVersion {
    /// The name it had.
    pub path: ObjectPath,
    /// The version.
    pub version: Version,
    /// Since when.
    pub kept_at: Timestamp,
}

/// How long superseded and removed versions of a bucket are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// So many of a name, the newest.
    pub versions: u32,
    /// So long; `None` for ever.
    pub age: Option<Duration>,
}

/// Attributes of files in buckets that cannot keep them themselves without writing the object
/// again.
#[async_trait]
pub trait NameAttributes: Send + Sync {
    /// Sets what is given, keeps what is not. They belong to the file with this identity: under
    /// another one earlier values are forgotten. With the completion of its rename they follow the
    /// file, with that of its removal they are forgotten.
    async fn set_name_attributes(
        &self,
        path: &ObjectPath,
        identity: &str,
        attributes: Attributes,
    ) -> Result<()>;

    /// Those of the name, with the identity they belong to.
    async fn name_attributes(&self, path: &ObjectPath) -> Result<Option<(String, Attributes)>>;

    /// Those of files directly in a folder, as many as a batch of a listing has, by file name.
    async fn name_attributes_in(
        &self,
        bucket: &BucketName,
        folder: &Prefix,
        names: &[&str],
    ) -> Result<BTreeMap<String, (String, Attributes)>>;
}
