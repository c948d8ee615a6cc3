//! The ledger: the only room with SQL. It implements the ports of `qm_core::ports::ledger`.
//!
//! [`SqliteLedger`] is the embedded one, a file of its own. All writes go through one thread that
//! owns the write connection: it takes what is waiting, runs each job so that its failure is its
//! own, and makes the whole group durable with one COMMIT before anybody is answered. Reads run
//! beside it on connections that cannot write. The command line opens the same file at the same time.
//!
//! [`PostgresLedger`] is the one that nodes share, in a database. What a node begins carries its
//! lease, which is measured by the database's clock and is over when the node has been silent for
//! too long; then others take over.
//!
//! Files are named by noun, the same in both. Nothing here knows a bucket's bytes, a protocol or a
//! clock: time comes in with the calls.

mod postgres;
mod sqlite;
mod words;

pub use postgres::{PostgresLedger, PostgresOptions};
pub use sqlite::{CommitStep, SqliteCommit, SqliteLedger, SqliteOptions};
