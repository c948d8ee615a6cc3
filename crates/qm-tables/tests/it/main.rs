//! Files loaded into real tables: one suite for every database, and what is particular to each.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail the test as the test itself does"
)]

mod dynamodb;
mod kill;
mod memory;
mod postgres;
mod sqlite;
mod suite;
mod workbooks;
