//! The contract that every ledger keeps.

use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_testkit::contract::ledger::run_all;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sqlite_ledger() {
    let folder = tempfile::tempdir().unwrap();
    run_all(|case| {
        let file = folder.path().join(format!("{case}.sqlite"));
        Arc::new(SqliteLedger::open(&file, SqliteOptions::default()).unwrap())
    })
    .await;
}
