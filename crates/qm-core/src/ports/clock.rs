//! Time and randomness are parameters.

use jiff::Timestamp;

use crate::id::VersionId;

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Fresh identifiers.
pub trait Identifiers: Send + Sync {
    /// A version id that nobody has had.
    fn version(&self, now: Timestamp) -> VersionId;
}
