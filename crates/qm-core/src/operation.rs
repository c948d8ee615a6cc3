//! Versions and name operations: a change of a name is a row first, then a change on disk.

use jiff::Timestamp;

use crate::arrival::Cause;
use crate::id::{AccountName, OperationSeq, Sha256Digest, VersionId};
use crate::name::{ObjectKey, ObjectPath};

/// Immutable bytes that were received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// How the bucket recognises the stored bytes (directory: inode and birth; object store: the
    /// version id they carry, or what the store says of bytes that others put there).
    pub identity: String,
    /// Where the bytes were staged, for a bucket that makes them an object only under a final name.
    pub staged: Option<StagedToken>,
    /// When the bytes were complete.
    pub received_at: Timestamp,
}

/// Where staged bytes are, in the words of their bucket.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StagedToken(pub String);

/// What happens to a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A staged version becomes current under the key.
    Publish,
    /// The current version moves to another key of the bucket.
    Rename {
        /// The new key.
        to: ObjectKey,
    },
    /// The name goes away.
    Remove,
    /// A version kept aside becomes current again.
    Restore,
}

impl Change {
    /// The word in the ledger.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Rename { .. } => "rename",
            Self::Remove => "remove",
            Self::Restore => "restore",
        }
    }
}

/// A recorded name operation, to be run by the bucket. Idempotent: run again after a crash it
/// completes what is missing and harms nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Its place in the order of the key.
    pub seq: OperationSeq,
    /// The bucket and key it is about.
    pub path: ObjectPath,
    /// What happens.
    pub change: Change,
    /// The version that moves. `None` only for a removal or rename of a file that did not come
    /// through us.
    pub version: Option<Version>,
    /// The version that was current under the key it lands on, or is removed.
    pub replaces: Option<VersionId>,
    /// True if `replaces` must be kept aside because a delivery still needs its bytes.
    pub keep_aside: bool,
    /// For a rename: true if `version` gets a second name among the kept, because a delivery still
    /// looks for its bytes under the old key.
    pub keep_moved: bool,
    /// True if what it lands on is still a temp name: staged bytes under it are no object yet.
    pub is_hidden: bool,
}

impl Operation {
    /// The key whose current version changes: the target of a rename, the key otherwise.
    pub fn lands_on(&self) -> &ObjectKey {
        match &self.change {
            Change::Rename { to } => to,
            Change::Publish | Change::Remove | Change::Restore => &self.path.key,
        }
    }
}

/// Which versions the ledger named as current when a change was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Under the key it is about.
    pub from: Option<VersionId>,
    /// Under the key it lands on.
    pub to: Option<VersionId>,
}

/// What is recorded, in one transaction, before a name changes.
#[derive(Clone, Debug)]
pub struct NameChange {
    /// The bucket and key it is about.
    pub path: ObjectPath,
    /// What it was decided on. `None` where the names are locked from before the decision to the
    /// end by other means than the ledger's: by the only node that changes them.
    pub seen: Option<Seen>,
    /// What happens.
    pub change: Change,
    /// The version that moves; for [`Change::Publish`] it is new to the ledger.
    pub version: Option<Version>,
    /// See [`Operation::replaces`].
    pub replaces: Option<VersionId>,
    /// See [`Operation::keep_aside`].
    pub keep_aside: bool,
    /// See [`Operation::keep_moved`].
    pub keep_moved: bool,
    /// True if the version goes away from the name by somebody's wish, so that routes may follow: a
    /// [`crate::departure::Departure`] once it is completed. Not what is done after deliveries.
    pub departs: bool,
    /// The arrival that this makes, if any: none under a temp name.
    pub arrival: Option<Cause>,
    /// Who does it.
    pub account: Option<AccountName>,
    /// When.
    pub at: Timestamp,
    /// The audit record, written in the same transaction.
    pub audit: crate::audit::AuditRecord,
}

impl NameChange {
    /// What [`Operation::is_hidden`] will be.
    pub fn is_hidden(&self) -> bool {
        let version = self.version.as_ref();
        self.arrival.is_none() && version.is_some_and(|version| version.staged.is_some())
    }
}
