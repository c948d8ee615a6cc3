//! Contract suites: what every implementation of a port must do. A suite takes a fresh
//! implementation for every case and panics where it breaks the contract.

pub mod bucket;
pub mod ledger;
