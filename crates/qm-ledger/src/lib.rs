//! The ledger: the only room with SQL. It implements the ports of `qm_core::ports::ledger`.
//!
//! [`SqliteLedger`] is the embedded one, a file of its own. All writes go through one thread that
//! owns the write connection: it takes what is waiting, runs each job in a savepoint, and makes
//! the whole group durable with one COMMIT before anybody is answered. Reads run beside it on
//! connections that cannot write. The command line opens the same file at the same time.
//!
//! Files are named by noun, a second engine will mirror them. Nothing here knows a bucket's
//! bytes, a protocol or a clock: time comes in with the calls.

mod sqlite;

pub use sqlite::{CommitStep, SqliteCommit, SqliteLedger, SqliteOptions};
