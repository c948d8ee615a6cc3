//! Name operations: recorded, then completed or failed.

use qm_core::Kind;
use qm_core::alert::AlertState;
use qm_core::arrival::{ArrivalState, Cause};
use qm_core::operation::{Change, NameChange, Version};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{
    alert, arrive, audit, key, minute, newest, path, publish, rename, run, version,
};

async fn current(ledger: &dyn Ledger, name: &str) -> Option<Version> {
    ledger.current(&path(name)).await.unwrap()
}

/// One transaction records version, operation, arrival and audit; completion makes it count.
pub async fn a_change_is_recorded_then_completed(ledger: &dyn Ledger) {
    let operation = ledger.record(publish("north/a.csv", 1)).await.unwrap();
    assert_eq!(operation.path, path("north/a.csv"));
    assert_eq!(operation.version, Some(version(1)));
    assert_eq!(
        ledger.pending().await.unwrap(),
        std::slice::from_ref(&operation)
    );
    assert_eq!(
        ledger.version(version(1).id).await.unwrap(),
        Some(version(1))
    );
    assert_eq!(ledger.version(version(2).id).await.unwrap(), None);
    assert_eq!(ledger.audit(9).await.unwrap()[0].1, audit("north/a.csv"));
    assert_eq!(current(ledger, "north/a.csv").await, None);
    assert!(ledger.unrouted(9).await.unwrap().is_empty());
    let appearing = newest(ledger).await;
    assert_eq!(appearing.state, ArrivalState::Appearing);
    assert_eq!(appearing.path, path("north/a.csv"));
    assert_eq!(appearing.version, version(1));
    assert_eq!(appearing.cause, Cause::Upload);
    assert_eq!(appearing.account, publish("x", 1).account);
    assert_eq!(appearing.at, publish("x", 1).at);
    assert_eq!((appearing.duplicate_of, appearing.deliveries), (None, None));

    ledger.complete(&operation).await.unwrap();
    assert!(ledger.pending().await.unwrap().is_empty());
    assert_eq!(current(ledger, "north/a.csv").await, Some(version(1)));
    let arrived = newest(ledger).await;
    assert_eq!(arrived.seq, appearing.seq);
    assert_eq!(arrived.state, ArrivalState::Arrived);
    assert_eq!(ledger.unrouted(9).await.unwrap(), [arrived]);
    assert_eq!(ledger.audit(9).await.unwrap().len(), 1);
}

/// The arrival is failed and stays visible; the names stay as they were.
pub async fn a_failed_change_leaves_the_names(ledger: &dyn Ledger) {
    arrive(ledger, "a.csv", 1).await;
    let operation = ledger.record(publish("a.csv", 2)).await.unwrap();
    ledger
        .fail(&operation, "the disk is gone", alert("failed"))
        .await
        .unwrap();
    assert!(ledger.pending().await.unwrap().is_empty());
    assert_eq!(current(ledger, "a.csv").await, Some(version(1)));
    let failed = newest(ledger).await;
    assert_eq!(failed.state, ArrivalState::Failed);
    assert_eq!(failed.version, version(2));
    assert_eq!(ledger.unrouted(9).await.unwrap().len(), 1);
    let removal = NameChange {
        change: Change::Remove,
        arrival: None,
        ..publish("a.csv", 1)
    };
    let operation = ledger.record(removal).await.unwrap();
    ledger
        .fail(&operation, "not allowed", alert("failed"))
        .await
        .unwrap();
    assert_eq!(current(ledger, "a.csv").await, Some(version(1)));
}

/// The alert is raised with the failure and by it alone: not by a repeat, even if somebody has
/// resolved it, and not by one that is refused.
pub async fn a_failed_change_raises_its_alert_once(ledger: &dyn Ledger) {
    let firing = || async {
        let alerts = ledger.alerts(9).await.unwrap();
        let firing = alerts.into_iter().filter(|a| a.state == AlertState::Firing);
        firing.map(|alert| alert.key).collect::<Vec<_>>()
    };
    let operation = ledger.record(publish("a", 1)).await.unwrap();
    for _ in 0..2 {
        ledger.fail(&operation, "no", alert("one")).await.unwrap();
        assert_eq!(firing().await, ["one"]);
        assert_eq!(ledger.notifications(9).await.unwrap().len(), 2);
    }
    // Another failure that is told by the alert that fires already.
    let second = ledger.record(publish("b", 2)).await.unwrap();
    ledger.fail(&second, "no", alert("one")).await.unwrap();
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 2);
    assert!(ledger.resolve("one", None, minute(1)).await.unwrap());
    ledger.fail(&operation, "no", alert("one")).await.unwrap();
    let completed = run(ledger, publish("c", 3)).await;
    let refused = ledger.fail(&completed, "no", alert("two")).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert!(firing().await.is_empty());
    assert_eq!(ledger.alerts(9).await.unwrap().len(), 1);
}

/// Ending an operation again in the same way does nothing, in the other way is a conflict.
pub async fn an_operation_ends_once(ledger: &dyn Ledger) {
    let first = run(ledger, publish("a.csv", 1)).await;
    run(ledger, publish("a.csv", 2)).await;
    ledger.complete(&first).await.unwrap();
    assert_eq!(current(ledger, "a.csv").await, Some(version(2)));
    let conflict = ledger
        .fail(&first, "too late", alert("failed"))
        .await
        .unwrap_err();
    assert_eq!(conflict.kind(), Kind::Conflict);
    let third = ledger.record(publish("a.csv", 3)).await.unwrap();
    ledger.fail(&third, "no", alert("failed")).await.unwrap();
    ledger.fail(&third, "no", alert("failed")).await.unwrap();
    let conflict = ledger.complete(&third).await.unwrap_err();
    assert_eq!(conflict.kind(), Kind::Conflict);
    let mut unknown = third;
    unknown.seq.0 += 1_000;
    let missing = ledger.complete(&unknown).await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    let missing = ledger
        .fail(&unknown, "no", alert("failed"))
        .await
        .unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
}

/// What is current under each name after each kind of change.
pub async fn names_follow_the_operations(ledger: &dyn Ledger) {
    let without_version = |change: NameChange| NameChange {
        version: None,
        ..change
    };
    let remove = |name: &str| NameChange {
        change: Change::Remove,
        arrival: None,
        ..publish(name, 1)
    };
    let restore = |name: &str, number| NameChange {
        change: Change::Restore,
        arrival: Some(Cause::Restore),
        ..publish(name, number)
    };
    let steps: [(NameChange, [Option<u8>; 3]); 9] = [
        (publish("a", 1), [Some(1), None, None]),
        (publish("b", 2), [Some(1), Some(2), None]),
        (rename("a", "b", 1), [None, Some(1), None]),
        (rename("b", "c", 1), [None, None, Some(1)]),
        (rename("c", "c", 1), [None, None, Some(1)]),
        (remove("c"), [None, None, None]),
        (restore("c", 1), [None, None, Some(1)]),
        // What was there before us takes the name of what we knew.
        (without_version(rename("b", "c", 0)), [None, None, None]),
        (without_version(remove("c")), [None, None, None]),
    ];
    for (change, expect) in steps {
        let step = format!("{:?} of {}", change.change, change.path);
        run(ledger, change).await;
        for (name, number) in ["a", "b", "c"].into_iter().zip(expect) {
            let found = current(ledger, name).await;
            assert_eq!(found, number.map(version), "{name} after {step}");
        }
    }
    // Only a change that is an arrival makes one, under the name it lands on.
    let causes: Vec<Cause> = ledger
        .latest(9)
        .await
        .unwrap()
        .iter()
        .map(|a| a.cause)
        .collect();
    assert_eq!(causes, [Cause::Restore, Cause::Upload, Cause::Upload]);
    let moved = NameChange {
        arrival: Some(Cause::Rename),
        ..rename("x", "y", 3)
    };
    run(ledger, moved).await;
    let arrival = newest(ledger).await;
    assert_eq!((arrival.cause, arrival.path), (Cause::Rename, path("y")));
}

/// Every kind of change, in seq order, with all that was recorded.
pub async fn pending_operations_come_back_as_recorded(ledger: &dyn Ledger) {
    let changes = [
        publish("one", 1),
        NameChange {
            replaces: Some(version(9).id),
            keep_aside: true,
            ..publish("two", 2)
        },
        NameChange {
            version: None,
            replaces: Some(version(8).id),
            ..rename("three", "four", 3)
        },
        NameChange {
            keep_moved: true,
            ..rename("seven", "eight", 7)
        },
        NameChange {
            change: Change::Remove,
            version: None,
            arrival: None,
            ..publish("five", 4)
        },
        NameChange {
            change: Change::Restore,
            arrival: Some(Cause::Restore),
            account: None,
            ..publish("six", 5)
        },
    ];
    let mut recorded = Vec::new();
    for change in changes {
        let operation = ledger.record(change.clone()).await.unwrap();
        assert_eq!(operation.path, change.path);
        assert_eq!(operation.change, change.change);
        assert_eq!(operation.version, change.version);
        assert_eq!(operation.replaces, change.replaces);
        assert_eq!(operation.keep_aside, change.keep_aside);
        assert_eq!(operation.keep_moved, change.keep_moved);
        recorded.push(operation);
    }
    assert!(recorded.is_sorted_by(|one, next| one.seq < next.seq));
    assert_eq!(ledger.pending().await.unwrap(), recorded);
}

/// Both names of a rename count; what is refused leaves nothing behind.
pub async fn one_pending_operation_a_key(ledger: &dyn Ledger) {
    let publishing = ledger.record(publish("a", 1)).await.unwrap();
    let renaming = ledger.record(rename("b", "c", 2)).await.unwrap();
    let refused = [
        publish("a", 3),
        publish("b", 3),
        publish("c", 3),
        rename("a", "d", 3),
        rename("d", "a", 3),
        rename("d", "b", 3),
    ];
    let audited = ledger.audit(99).await.unwrap().len();
    for change in refused {
        let words = format!("{:?} of {}", change.change, change.path);
        let error = ledger.record(change).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{words}");
    }
    assert_eq!(ledger.version(version(3).id).await.unwrap(), None);
    assert_eq!(ledger.latest(99).await.unwrap().len(), 1);
    assert_eq!(ledger.audit(99).await.unwrap().len(), audited);
    assert_eq!(ledger.pending().await.unwrap().len(), 2);
    run(ledger, publish("d", 4)).await;
    ledger.complete(&publishing).await.unwrap();
    ledger.fail(&renaming, "no", alert("failed")).await.unwrap();
    for name in ["a", "b", "c"] {
        run(ledger, publish(name, 5)).await;
    }
}

/// `complete` counts from the call on, awaited or not, and before any later `record`.
pub async fn completions_take_effect_in_the_order_of_calls(ledger: &dyn Ledger) {
    let mut durable = Vec::new();
    for number in 1..=20 {
        // The name would be busy if the completion before it did not count.
        let operation = ledger.record(publish("a", number)).await.unwrap();
        durable.push(ledger.complete(&operation));
    }
    // Nobody waits for the second half of them.
    for end in durable.into_iter().take(10) {
        end.await.unwrap();
    }
    let operation = ledger.record(rename("a", "b", 20)).await.unwrap();
    assert_eq!(*operation.lands_on(), key("b"));
    drop(ledger.complete(&operation));
    run(ledger, publish("z", 21)).await;
    assert_eq!(current(ledger, "b").await, Some(version(20)));
    assert_eq!(current(ledger, "a").await, None);
    assert!(ledger.pending().await.unwrap().is_empty());
    assert_eq!(ledger.unrouted(99).await.unwrap().len(), 21);
}

/// A publication, a restoration or an arrival of nothing is a fault of the caller.
pub async fn a_change_without_its_version_is_refused(ledger: &dyn Ledger) {
    for change in [Change::Publish, Change::Restore, Change::Remove] {
        let incomplete = NameChange {
            change,
            version: None,
            ..publish("a", 1)
        };
        let error = ledger.record(incomplete).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Bug);
    }
    let kept_nothing = NameChange {
        version: None,
        keep_moved: true,
        ..rename("a", "b", 1)
    };
    let error = ledger.record(kept_nothing).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Bug);
    assert!(ledger.pending().await.unwrap().is_empty());
    assert!(ledger.audit(9).await.unwrap().is_empty());
}
