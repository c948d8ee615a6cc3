//! The contract that every ledger keeps.

use qm_testkit::contract::ledger::{alerts, run_all};
use std::sync::Arc;

use crate::support::open;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_ledger() {
    let folder = tempfile::tempdir().unwrap();
    run_all(|case| Arc::new(open(&folder.path().join(format!("{case}.sqlite"))))).await;
}

#[tokio::test]
async fn a_hold_on_sqlite_ends_by_the_nodes_clock() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("ledger.sqlite"));
    alerts::a_hold_ends_by_the_clock(&ledger).await;
}
