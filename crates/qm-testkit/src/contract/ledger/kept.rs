//! Versions that are needed, kept aside, released.

use qm_core::arrival::Cause;
use qm_core::delivery::DeliveryState;
use qm_core::id::VersionId;
use qm_core::operation::{Change, NameChange};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{
    REVISION, alert, arrive, bucket, claim, claim_and_finish, deliver, finish, minute, path,
    publish, rename, route, run, upload_and_deliver, version, waiting,
};

async fn is_needed(ledger: &dyn Ledger, number: u8) -> bool {
    ledger.is_needed(version(number).id).await.unwrap()
}

async fn releasable(ledger: &dyn Ledger) -> Vec<VersionId> {
    let found = ledger.releasable().await.unwrap();
    assert!(found.iter().all(|(of, _)| *of == bucket()));
    let mut versions: Vec<VersionId> = found.into_iter().map(|(_, version)| version).collect();
    versions.sort();
    versions
}

/// A publication over `replaced`, which is kept aside.
fn replace(name: &str, number: u8, replaced: u8) -> NameChange {
    NameChange {
        replaces: Some(version(replaced).id),
        keep_aside: true,
        ..publish(name, number)
    }
}

/// From the record of its arrival until the last delivery is delivered or superseded.
pub async fn a_version_is_needed_until_its_deliveries_end(ledger: &dyn Ledger) {
    assert!(!is_needed(ledger, 1).await);
    let operation = ledger.record(publish("a", 1)).await.unwrap();
    assert!(is_needed(ledger, 1).await, "appearing");
    ledger.complete(&operation).await.unwrap();
    assert!(is_needed(ledger, 1).await, "arrived");
    let arrival = ledger.unrouted(1).await.unwrap().remove(0);
    let id = deliver(ledger, &arrival, "a").await;
    assert!(is_needed(ledger, 1).await, "waiting");
    let claimed = claim(ledger, 0, 1).await;
    assert!(is_needed(ledger, 1).await, "running");
    finish(ledger, &claimed[0], waiting(5), 0).await;
    assert!(is_needed(ledger, 1).await, "waiting again");
    let claimed = claim(ledger, 5, 1).await;
    finish(ledger, &claimed[0], DeliveryState::Dead, 6).await;
    assert!(is_needed(ledger, 1).await, "dead");
    upload_and_deliver(ledger, "a", 2).await;
    let count = ledger.supersede(&[route("products")], minute(7)).await;
    assert_eq!(count.unwrap(), 1);
    assert!(!is_needed(ledger, 1).await, "superseded {id}");
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(!is_needed(ledger, 2).await, "delivered");

    let routed_nowhere = arrive(ledger, "b", 3).await;
    assert!(is_needed(ledger, 3).await);
    let created = ledger.route(routed_nowhere.seq, vec![], REVISION, minute(0));
    assert_eq!(created.await.unwrap(), 0);
    assert!(!is_needed(ledger, 3).await, "routed nowhere");
    let operation = ledger.record(publish("c", 4)).await.unwrap();
    ledger
        .fail(&operation, "no", alert("failed"))
        .await
        .unwrap();
    assert!(!is_needed(ledger, 4).await, "failed");
}

/// Registered when the operation that put it aside completed; forgotten when released.
pub async fn kept_versions_are_released_when_nothing_needs_them(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    let operation = ledger.record(replace("a", 2, 1)).await.unwrap();
    let claimed = claim(ledger, 0, 1).await;
    finish(ledger, &claimed[0], DeliveryState::Delivered, 0).await;
    assert!(releasable(ledger).await.is_empty(), "not aside yet");
    ledger.complete(&operation).await.unwrap();
    assert_eq!(releasable(ledger).await, [version(1).id]);

    upload_and_deliver(ledger, "b", 3).await;
    run(ledger, replace("b", 4, 3)).await;
    assert_eq!(releasable(ledger).await, [version(1).id], "3 is needed");
    let not_kept = NameChange {
        keep_aside: false,
        ..replace("b", 5, 4)
    };
    run(ledger, not_kept).await;
    let failing = ledger.record(replace("b", 6, 5)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert_eq!(releasable(ledger).await, [version(1).id, version(3).id]);

    ledger.released(&[version(1).id]).await.unwrap();
    assert_eq!(releasable(ledger).await, [version(3).id]);
    ledger
        .released(&[version(1).id, version(3).id])
        .await
        .unwrap();
    assert!(releasable(ledger).await.is_empty());
    ledger.released(&[]).await.unwrap();
}

/// Nobody may discard the bytes of a version that is on its way back, or is back.
pub async fn a_restored_version_is_not_kept(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    run(ledger, replace("a", 2, 1)).await;
    for arrival in ledger.unrouted(9).await.unwrap() {
        let routed = ledger.route(arrival.seq, vec![], REVISION, minute(0));
        routed.await.unwrap();
    }
    assert_eq!(releasable(ledger).await, [version(1).id]);
    let restore = NameChange {
        change: Change::Restore,
        arrival: None,
        ..replace("a", 1, 2)
    };
    let operation = ledger.record(restore).await.unwrap();
    assert!(releasable(ledger).await.is_empty(), "on its way back");
    ledger.complete(&operation).await.unwrap();
    assert_eq!(releasable(ledger).await, [version(2).id]);
    let arrivals = ledger.latest(9).await.unwrap();
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.cause == Cause::Upload)
    );
}

/// Under its old name a delivery looks for it: kept from the completion of the rename until that
/// has ended, while it is current under its new name.
pub async fn a_moved_version_is_kept_for_its_deliveries(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    let moving = |from: &str, to: &str, number| NameChange {
        keep_moved: true,
        ..rename(from, to, number)
    };
    let operation = ledger.record(moving("a", "b", 1)).await.unwrap();
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(releasable(ledger).await.is_empty(), "not moved yet");
    ledger.complete(&operation).await.unwrap();
    assert_eq!(releasable(ledger).await, [version(1).id]);
    let current = ledger.current(&path("b")).await.unwrap();
    assert_eq!(current, Some(version(1)));

    upload_and_deliver(ledger, "c", 2).await;
    run(ledger, moving("c", "d", 2)).await;
    assert_eq!(releasable(ledger).await, [version(1).id], "2 is needed");
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    run(ledger, rename("d", "e", 2)).await;
    assert_eq!(releasable(ledger).await, [version(1).id, version(2).id]);

    // Over another that is kept aside, and one that fails.
    let both = NameChange {
        replaces: Some(version(1).id),
        keep_aside: true,
        ..moving("e", "b", 2)
    };
    ledger
        .released(&[version(1).id, version(2).id])
        .await
        .unwrap();
    run(ledger, both).await;
    assert_eq!(releasable(ledger).await, [version(1).id, version(2).id]);
    ledger
        .released(&[version(1).id, version(2).id])
        .await
        .unwrap();
    let failing = ledger.record(moving("b", "f", 2)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    run(ledger, rename("b", "g", 2)).await;
    assert!(releasable(ledger).await.is_empty());
}
