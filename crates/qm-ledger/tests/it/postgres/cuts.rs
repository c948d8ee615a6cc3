//! Lines cut at every request: nothing is lost, nothing is done twice, nothing stays stuck.

use qm_core::delivery::DeliveryState;
use qm_core::id::VersionId;
use qm_core::operation::NameChange;
use qm_core::ports::ledger::{Arrivals as _, Audit as _, Deliveries as _, Names as _};
use qm_ledger::PostgresLedger;
use qm_testkit::ledger::sample::{
    REVISION, audit, claim, delivery, finish, minute, new_delivery, newest, publish, version,
};
use tokio::time::timeout;

use super::cluster::{self, open, over};
use qm_testkit::outside::postgres::{Proxy, RECOVERY_MAX, Side};

/// Far more than the round has requests.
const REQUESTS_MAX: u32 = 400;

fn upload(number: u32) -> NameChange {
    let mut version = version(1);
    version.id = VersionId::from_parts(1_763_640_000_000, u128::from(number));
    NameChange {
        version: Some(version),
        audit: audit(&number.to_string()),
        ..publish(&number.to_string(), 1)
    }
}

/// Everything that happens to a file, and that it happened once.
async fn round(ledger: &PostgresLedger, number: u32) {
    let operation = ledger.record(upload(number)).await.unwrap();
    ledger.complete(&operation).await.unwrap();
    let arrival = newest(ledger).await;
    assert_eq!(Some(&arrival.version), operation.version.as_ref());
    let new = new_delivery(&arrival, "products", "share", &number.to_string());
    let id = new.id;
    let routed = ledger.route(arrival.seq, vec![new], REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 1);
    let claimed = claim(ledger, 0, 9).await;
    assert_eq!(claimed.len(), 1, "round {number}");
    finish(ledger, &claimed[0], DeliveryState::Delivered, 1).await;

    let done = delivery(ledger, id).await;
    assert_eq!(done.state, DeliveryState::Delivered);
    assert_eq!((done.attempts, done.fence), (1, 1), "round {number}");
    assert_eq!(ledger.attempts(id).await.unwrap().len(), 1);
    assert!(ledger.pending().await.unwrap().is_empty());
    assert!(ledger.unrouted(9).await.unwrap().is_empty());
    assert!(ledger.interrupted(&[], minute(2)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_lines_cut_at_every_request() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::start(cluster.socket()).await;
    let ledger = open(&over(&database, proxy.port()), "node").await;
    let mut rounds = 0;
    for side in [Side::Before, Side::After] {
        let mut is_reached = true;
        for requests in 0..REQUESTS_MAX {
            rounds += 1;
            proxy.cut_after(requests, side);
            let done = timeout(RECOVERY_MAX, round(&ledger, rounds)).await;
            done.unwrap_or_else(|_| panic!("stuck after {requests} requests, {side:?}"));
            is_reached = !proxy.is_pending();
            if !is_reached {
                println!("{side:?}: cut at {requests} requests");
                break;
            }
        }
        assert!(!is_reached, "a round has more requests than that");
    }
    let count = usize::try_from(rounds).unwrap();
    assert_eq!(ledger.latest(9_999).await.unwrap().len(), count);
    assert_eq!(ledger.audit(9_999).await.unwrap().len(), count);
}
