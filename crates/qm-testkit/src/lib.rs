//! What tests of the other rooms stand on: a clock that is set by hand, identifiers that repeat,
//! a ledger in memory, an S3 server that keeps nothing, and contract suites that every implementation
//! of a port must pass. Never a dependency of anything that ships.

pub mod clock;
pub mod contract;
pub mod discarding_s3;
pub mod encryption;
pub mod figures;
pub mod ledger;
pub mod outside;

pub use clock::{TestClock, TestIdentifiers};
pub use discarding_s3::DiscardingS3;
pub use encryption::MemoryEncryptionKeys;
pub use ledger::{LedgerState, MemoryLedger};
