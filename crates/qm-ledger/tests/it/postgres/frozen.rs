//! A node that stands still until its lease is over.

use qm_core::Kind;
use qm_core::delivery::DeliveryState;
use qm_core::id::NodeName;
use qm_core::ports::ledger::{Deliveries as _, Names as _, NodeReport, Nodes as _};
use qm_ledger::{PostgresLedger, PostgresOptions};
use qm_testkit::ledger::sample::{
    claim, finish, ids, minute, publish, transition, upload_and_deliver,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::cluster::{self, open, options};

const SHORT: Duration = Duration::from_millis(1500);
const DEADLINE: Duration = Duration::from_secs(20);

fn report() -> NodeReport {
    NodeReport {
        node: NodeName::parse("frozen").unwrap(),
        sftp_address: "127.0.0.1:2022".parse().unwrap(),
        fingerprints: vec![],
        process: 1,
        version: "0.1.0".to_owned(),
        started_at: minute(0),
        alive_at: Some(minute(0)),
    }
}

/// By the database's clock alone; what the node says afterwards does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_fences_off_a_node_that_stood_still() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let short = PostgresOptions {
        lease: SHORT,
        ..options(&database, "frozen")
    };
    let frozen = PostgresLedger::open(short).await.unwrap();
    let other = open(&database, "other").await;
    upload_and_deliver(&other, "a", 1).await;
    frozen.report(report()).await.unwrap();
    let held = claim(&frozen, 0, 1).await.remove(0);
    let operation = frozen.record(publish("b", 2)).await.unwrap();
    let refused = other.record(publish("b", 3)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(other.pending().await.unwrap().is_empty());

    let deadline = Instant::now() + DEADLINE;
    let taken = loop {
        let taken = other.interrupted(&[], minute(1)).await.unwrap();
        if !taken.is_empty() {
            break taken;
        }
        assert!(Instant::now() < deadline, "the lease is never over");
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(ids(&taken), [held.id]);
    assert!(taken[0].fence > held.fence);
    let handed_over = std::slice::from_ref(&operation);
    assert_eq!(other.pending().await.unwrap(), handed_over);

    let late = transition(DeliveryState::Delivered, "late");
    let refused = frozen.finish(&held, late, None, minute(2)).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert!(!frozen.is_held(&held).await.unwrap());
    assert!(!frozen.is_latest(&held).await.unwrap());
    let refused = frozen.complete(&operation).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    let refused = frozen.report(report()).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    frozen.report(report()).await.unwrap();

    finish(&other, &taken[0], DeliveryState::Delivered, 3).await;
    other.complete(&operation).await.unwrap();
    frozen.record(publish("b", 4)).await.unwrap();
}
