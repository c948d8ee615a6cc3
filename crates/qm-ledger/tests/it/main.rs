//! The `SQLite` ledger against the contract, against faults, and beside other processes.

#![expect(clippy::unwrap_used, reason = "a test")]

mod commits;
mod contract;
mod crash;
mod groups;
mod processes;
mod reopening;
mod retention;
mod support;
