//! The `PostgreSQL` ledger against the contract, beside other nodes, and against a database that is
//! restarted and lines that are cut.

pub(crate) mod cluster;
mod contract;
mod cuts;
mod frozen;
mod groups;
mod hints;
mod migrations;
mod order;
mod restart;
