//! The SQLite ledger against the contract, against faults, and beside other processes.

mod contract;
