//! The ledgers against the contract, against faults, and beside other processes and nodes.

#![expect(clippy::unwrap_used, reason = "a test")]

mod commits;
mod contract;
mod crash;
mod groups;
mod postgres;
mod processes;
mod reopening;
mod retention;
mod support;
mod upgrading;
