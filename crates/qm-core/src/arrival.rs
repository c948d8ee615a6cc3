//! Arrivals: the recorded facts that versions of objects are there.

use jiff::Timestamp;

use crate::id::{AccountName, ArrivalSeq, VersionId};
use crate::name::ObjectPath;
use crate::operation::Version;
use crate::ports::bucket::Parked;

/// Why a version is under its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Received now (also: an upload under a temp name given its final name).
    Upload,
    /// Moved here from another real name.
    Rename,
    /// Brought back from the versions.
    Restore,
    /// Found in the bucket: somebody put it there without us.
    Found,
}

impl Cause {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Rename => "rename",
            Self::Restore => "restore",
            Self::Found => "found",
        }
    }

    /// From the ledger's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Upload, Self::Rename, Self::Restore, Self::Found]
            .into_iter()
            .find(|c| c.as_str() == text)
    }
}

/// How far an arrival has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArrivalState {
    /// Recorded, the name operation not done yet. Not routed in this state.
    Appearing,
    /// There.
    Arrived,
    /// The name operation failed for good; visible, with an alert.
    Failed,
}

impl ArrivalState {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Appearing => "appearing",
            Self::Arrived => "arrived",
            Self::Failed => "failed",
        }
    }

    /// From the ledger's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Appearing, Self::Arrived, Self::Failed]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// One recorded arrival.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// Its place in the order of things.
    pub seq: ArrivalSeq,
    /// Where.
    pub path: ObjectPath,
    /// What.
    pub version: Version,
    /// By whom; `None` for what did not come from an account.
    pub account: Option<AccountName>,
    /// Why.
    pub cause: Cause,
    /// When it was recorded.
    pub at: Timestamp,
    /// How far it has come.
    pub state: ArrivalState,
    /// An arrival of the last 24 h with the same account, path and digest.
    pub duplicate_of: Option<ArrivalSeq>,
    /// How many deliveries it was given; `None` until it is routed.
    pub deliveries: Option<u32>,
}

/// An upload whose session was lost: kept for the same account and name to resume, never visible
/// to a trigger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partial {
    /// Its staged bytes.
    pub version: VersionId,
    /// Whose.
    pub account: AccountName,
    /// Under which name.
    pub path: ObjectPath,
    /// What was received.
    pub parked: Parked,
    /// When the session was lost.
    pub lost_at: Timestamp,
}
