//! The contract that every ledger keeps.

use qm_testkit::contract::ledger::run_all;
use std::sync::Arc;

use crate::support::open;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_ledger() {
    let folder = tempfile::tempdir().unwrap();
    run_all(|case| Arc::new(open(&folder.path().join(format!("{case}.sqlite"))))).await;
}
