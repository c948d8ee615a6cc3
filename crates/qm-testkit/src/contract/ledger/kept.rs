//! Versions that are needed, kept aside, given up, released.

use qm_core::Kind;
use qm_core::arrival::Cause;
use qm_core::delivery::DeliveryState;
use qm_core::id::VersionId;
use qm_core::operation::{Change, NameChange};
use qm_core::ports::ledger::{KeptVersion, Ledger};
use std::collections::BTreeMap;

use crate::ledger::sample::{
    REVISION, alert, arrive, bucket, claim, claim_and_finish, deliver, finish, keeps, minute, path,
    publish, rename, replace, route, route_nowhere, run, upload_and_deliver, version, waiting,
};

async fn is_needed(ledger: &dyn Ledger, number: u8) -> bool {
    ledger.is_needed(version(number).id).await.unwrap()
}

/// What is given up if nothing is retained.
async fn releasable(ledger: &dyn Ledger) -> Vec<VersionId> {
    let nothing = keeps(0, None);
    let found = ledger.releasable(&nothing, minute(0)).await.unwrap();
    assert!(found.iter().all(|kept| kept.path.bucket == bucket()));
    let mut versions: Vec<VersionId> = found.into_iter().map(|kept| kept.version.id).collect();
    versions.sort();
    versions
}

async fn kept(ledger: &dyn Ledger, name: &str) -> Vec<VersionId> {
    let kept = ledger.kept(&path(name)).await.unwrap();
    kept.into_iter().map(|kept| kept.version.id).collect()
}

fn restore(name: &str, number: u8, replaced: u8) -> NameChange {
    NameChange {
        change: Change::Restore,
        arrival: None,
        ..replace(name, number, replaced)
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

/// Superseded and removed ones are listed under their name with what they are, newest first.
pub async fn kept_versions_are_listed_by_name(ledger: &dyn Ledger) {
    let at = |minutes: i64, change: NameChange| NameChange {
        at: minute(minutes),
        ..change
    };
    run(ledger, publish("a", 1)).await;
    // The clock may go back; the order of what happened does not.
    run(ledger, at(9, replace("a", 2, 1))).await;
    let remove = NameChange {
        change: Change::Remove,
        arrival: None,
        ..replace("a", 2, 2)
    };
    run(ledger, at(5, remove)).await;
    run(ledger, publish("other", 3)).await;
    run(ledger, publish("from", 4)).await;
    let over = NameChange {
        change: Change::Rename {
            to: path("other").key,
        },
        arrival: None,
        ..replace("from", 4, 3)
    };
    run(ledger, over).await;
    let entry = |name: &str, number: u8, at: i64| KeptVersion {
        path: path(name),
        version: version(number),
        kept_at: minute(at),
    };
    let listed = ledger.kept(&path("a")).await.unwrap();
    assert_eq!(listed, [entry("a", 2, 5), entry("a", 1, 9)]);
    let mut whole = ledger.kept_in(&path("a").bucket).await.unwrap();
    whole.retain(|kept| kept.path == path("a"));
    whole.sort_by_key(|kept| std::cmp::Reverse(kept.version.id));
    assert_eq!(whole, [entry("a", 2, 5), entry("a", 1, 9)]);
    let listed = ledger.kept(&path("other")).await.unwrap();
    assert_eq!(listed, [entry("other", 3, 0)]);
    assert!(kept(ledger, "from").await.is_empty());
    assert!(kept(ledger, "b").await.is_empty());

    route_nowhere(ledger).await;
    let mut found = ledger.releasable(&keeps(0, None), minute(9)).await.unwrap();
    found.sort_by_key(|kept| kept.version.id);
    let expect = [entry("a", 1, 9), entry("a", 2, 5), entry("other", 3, 0)];
    assert_eq!(found, expect);
}

/// Nobody may discard the bytes of a version that is on its way back, or is back.
pub async fn a_restored_version_is_not_kept(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    run(ledger, replace("a", 2, 1)).await;
    route_nowhere(ledger).await;
    assert_eq!(kept(ledger, "a").await, [version(1).id]);
    let operation = ledger.record(restore("a", 1, 2)).await.unwrap();
    assert!(releasable(ledger).await.is_empty(), "on its way back");
    ledger.complete(&operation).await.unwrap();
    assert_eq!(kept(ledger, "a").await, [version(2).id]);
    assert_eq!(releasable(ledger).await, [version(2).id]);
    ledger.released(&[version(1).id]).await.unwrap();
    let arrivals = ledger.latest(9).await.unwrap();
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.cause == Cause::Upload)
    );
    // A restoration that fails leaves it among the kept.
    run(ledger, replace("a", 3, 1)).await;
    let failing = ledger.record(restore("a", 1, 3)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    assert_eq!(kept(ledger, "a").await, [version(1).id]);
}

/// What was named to be released cannot be brought back, and is named until it is released: its
/// bytes may be gone any moment.
pub async fn what_is_given_up_does_not_come_back(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    run(ledger, replace("a", 2, 1)).await;
    route_nowhere(ledger).await;
    // Of a bucket that is not asked about nothing goes.
    let nowhere = ledger.releasable(&BTreeMap::new(), minute(0)).await;
    assert_eq!(nowhere.unwrap(), []);
    // Not named, not released.
    ledger.released(&[version(1).id]).await.unwrap();
    assert_eq!(kept(ledger, "a").await, [version(1).id]);
    assert_eq!(releasable(ledger).await, [version(1).id]);
    assert!(kept(ledger, "a").await.is_empty());
    let audited = ledger.audit(99).await.unwrap().len();
    let refused = ledger.record(restore("a", 1, 2)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound);
    assert_eq!(ledger.audit(99).await.unwrap().len(), audited);
    assert!(ledger.pending().await.unwrap().is_empty());
    // Whatever is asked for then: it is decided.
    for retention in [keeps(9, None), keeps(0, None)] {
        let again = ledger.releasable(&retention, minute(0)).await.unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].version, version(1));
    }
    ledger.released(&[version(1).id]).await.unwrap();
    assert!(releasable(ledger).await.is_empty());
    // Others of the name are as they were.
    run(ledger, replace("a", 3, 2)).await;
    route_nowhere(ledger).await;
    let one = ledger.releasable(&keeps(1, None), minute(0)).await.unwrap();
    assert_eq!(one, []);
    assert_eq!(kept(ledger, "a").await, [version(2).id]);
}

fn moving(from: &str, to: &str, number: u8) -> NameChange {
    NameChange {
        keep_moved: true,
        ..rename(from, to, number)
    }
}

/// Under its old name a delivery looks for it: kept from the completion of the rename until that
/// has ended, while it is current under its new name. No retention keeps it, no list shows it.
pub async fn a_moved_version_is_kept_for_its_deliveries(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    let operation = ledger.record(moving("a", "b", 1)).await.unwrap();
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(releasable(ledger).await.is_empty(), "not moved yet");
    ledger.complete(&operation).await.unwrap();
    assert!(kept(ledger, "a").await.is_empty());
    let all = keeps(9, None);
    let found = ledger.releasable(&all, minute(0)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].path, &found[0].version),
        (&path("a"), &version(1))
    );
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
    assert_eq!(kept(ledger, "b").await, [version(1).id]);
    assert_eq!(releasable(ledger).await, [version(1).id, version(2).id]);
    ledger
        .released(&[version(1).id, version(2).id])
        .await
        .unwrap();
    let failing = ledger.record(moving("b", "f", 2)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    run(ledger, rename("b", "g", 2)).await;
    assert_eq!(releasable(ledger).await, [version(2).id], "perhaps aside");
}

/// Nobody knows how far the operation came: what it put aside is a copy of what stays, is no
/// version of the name, and goes when nothing needs it.
pub async fn what_a_failed_operation_put_aside_goes(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    let failing = ledger.record(replace("a", 2, 1)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    assert!(releasable(ledger).await.is_empty(), "1 is needed");
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let all = keeps(9, None);
    let found = ledger.releasable(&all, minute(0)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].path, &found[0].version),
        (&path("a"), &version(1))
    );
    assert!(kept(ledger, "a").await.is_empty());
    let current = ledger.current(&path("a")).await.unwrap();
    assert_eq!(current, Some(version(1)));
    ledger.released(&[version(1).id]).await.unwrap();
    assert!(releasable(ledger).await.is_empty());
    run(ledger, replace("a", 3, 1)).await;
    assert_eq!(kept(ledger, "a").await, [version(1).id]);

    // Superseded before it went, it is a version of the name.
    let failing = ledger.record(replace("a", 4, 3)).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    run(ledger, replace("a", 5, 3)).await;
    assert_eq!(kept(ledger, "a").await, [version(3).id, version(1).id]);
}

/// A bucket may have the bytes of a version only once: while it is retained under its new name,
/// it is not released under the old one; then under both.
pub async fn a_moved_version_that_is_retained_stays(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    run(ledger, moving("a", "b", 1)).await;
    run(ledger, replace("b", 2, 1)).await;
    route_nowhere(ledger).await;
    let one = keeps(1, None);
    assert_eq!(ledger.releasable(&one, minute(0)).await.unwrap(), []);
    assert_eq!(kept(ledger, "b").await, [version(1).id]);
    let nothing = keeps(0, None);
    let found = ledger.releasable(&nothing, minute(0)).await.unwrap();
    let mut names: Vec<_> = found.into_iter().map(|kept| kept.path).collect();
    names.sort();
    assert_eq!(names, [path("a"), path("b")]);
    ledger.released(&[version(1).id]).await.unwrap();
    assert_eq!(ledger.releasable(&nothing, minute(0)).await.unwrap(), []);

    // Moved back and superseded there, it is a version of that name.
    run(ledger, publish("c", 3)).await;
    run(ledger, moving("c", "d", 3)).await;
    run(ledger, rename("d", "c", 3)).await;
    run(ledger, replace("c", 4, 3)).await;
    assert_eq!(kept(ledger, "c").await, [version(3).id]);
}
