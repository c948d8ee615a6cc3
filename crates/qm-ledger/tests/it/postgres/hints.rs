//! Hints of other nodes' work.

use qm_core::ports::ledger::{Audit as _, Names as _};
use qm_testkit::ledger::sample::{audit, publish};
use std::time::Duration;
use tokio::time::timeout;

use super::cluster::{self, client, open};

const DEADLINE: Duration = Duration::from_secs(20);

/// Those of others come soon, also after the line of hints was cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_tells_of_other_nodes_work() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let (first, second) = (open(&database, "one").await, open(&database, "two").await);
    let (mut heard, mut ours) = (second.changes(), first.changes());
    // Both listen, and count that as a hint.
    for changes in [&mut ours, &mut heard] {
        let listens = changes.wait_for(|count| *count > 0);
        timeout(DEADLINE, listens).await.unwrap().unwrap();
    }
    let begun = *ours.borrow();
    first.append(audit("login")).await.unwrap();
    assert_eq!(*ours.borrow(), begun, "the audit is nobody's work");
    let operation = first.record(publish("a", 1)).await.unwrap();
    assert_eq!(*ours.borrow(), begun, "the name is not there yet");
    first.complete(&operation).await.unwrap();
    assert!(*ours.borrow() > begun, "at once");
    timeout(DEADLINE, heard.changed()).await.unwrap().unwrap();
    heard.mark_unchanged();

    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND query IN ('LISTEN quaymaster_changes',
             'NOTIFY quaymaster_changes', 'SELECT pg_backend_pid()')
             AND datname = current_database()";
    let ended = client(&database).await.query(cut, &[]).await.unwrap();
    assert!(ended.len() >= 2);
    for number in 2..5 {
        heard.mark_unchanged();
        let key = number.to_string();
        let operation = first.record(publish(&key, number)).await.unwrap();
        first.complete(&operation).await.unwrap();
        timeout(DEADLINE, heard.changed()).await.unwrap().unwrap();
    }
}
