//! What tests of the other rooms stand on: a clock that is set by hand, identifiers that repeat,
//! a ledger in memory, and contract suites that every implementation of a port must pass. Never a
//! dependency of anything that ships.

pub mod clock;
pub mod contract;
pub mod encryption;
pub mod figures;
pub mod ledger;
pub mod outside;

pub use clock::{TestClock, TestIdentifiers};
pub use encryption::MemoryEncryptionKeys;
pub use ledger::{LedgerState, MemoryLedger};
