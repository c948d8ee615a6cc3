//! Deliveries that several nodes run.

use qm_core::Kind;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::{DeliveryId, NodeName};
use qm_core::ports::ledger::{Ledger, NodeReport};
use std::collections::{BTreeMap, BTreeSet};
use tokio::join;

use super::{Pair, one, report, two};
use crate::ledger::sample::{
    alert, arrive, claim, deliver, delivery, finish, ids, minute, publish, transition,
    upload_and_deliver, waiting,
};

async fn interrupted(ledger: &dyn Ledger, held: &[DeliveryId]) -> Vec<Delivery> {
    let mut found = ledger.interrupted(held, minute(5)).await.unwrap();
    found.sort_by_key(|delivery| delivery.arrival);
    found
}

fn runs_on(node: NodeName) -> DeliveryState {
    DeliveryState::Running { node }
}

async fn refuses_to_finish(ledger: &dyn Ledger, delivery: &Delivery) {
    assert!(!ledger.is_held(delivery).await.unwrap());
    assert!(!ledger.is_latest(delivery).await.unwrap());
    let ended = transition(DeliveryState::Delivered, "late");
    let refused = ledger.finish(delivery, ended, Some(alert("late")), minute(6));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    assert!(ledger.alerts(9).await.unwrap().is_empty());
}

/// Not before its lease is over; then under new fences, so that what it still says does not count.
pub async fn deliveries_of_a_dead_node_are_taken_over(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
        upload_and_deliver(first, name, number).await;
    }
    let lost = claim(first, 0, 2).await;
    assert_eq!(lost[0].state, runs_on(one()));
    let own = claim(second, 0, 9).await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].state, runs_on(two()));
    assert!(interrupted(second, &ids(&own)).await.is_empty());
    assert!(interrupted(first, &ids(&lost)).await.is_empty());
    assert!(first.is_latest(&lost[0]).await.unwrap());
    finish(first, &lost[0], DeliveryState::Delivered, 1).await;

    (pair.expire)().await;
    let taken = interrupted(second, &ids(&own)).await;
    assert_eq!(ids(&taken), ids(&lost[1..]));
    assert!(taken[0].fence > lost[1].fence);
    assert_eq!(taken[0].state, runs_on(two()));
    assert_eq!(taken[0].attempts, 1);
    assert_eq!(taken[0].updated_at, minute(5));
    refuses_to_finish(first, &lost[1]).await;
    assert_eq!(delivery(second, taken[0].id).await, taken[0]);
    assert!(second.is_held(&taken[0]).await.unwrap());
    assert!(second.is_latest(&taken[0]).await.unwrap());
    finish(second, &taken[0], DeliveryState::Delivered, 7).await;
    finish(second, &own[0], DeliveryState::Delivered, 7).await;
    assert!(interrupted(second, &[]).await.is_empty());
}

/// It is told once; what it had begun before is fenced off even if nobody took it over, and comes
/// back to it only through `interrupted`.
pub async fn a_node_that_comes_back_begins_anew(pair: &Pair) {
    let first = pair.first.as_ref();
    first.report(report(one())).await.unwrap();
    for (name, number) in [("a", 1), ("b", 2)] {
        upload_and_deliver(first, name, number).await;
    }
    let lost = claim(first, 0, 1).await.remove(0);
    (pair.expire)().await;
    refuses_to_finish(first, &lost).await;
    let told = first.report(report(one())).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Conflict);
    first.report(report(one())).await.unwrap();
    refuses_to_finish(first, &lost).await;

    let taken = interrupted(first, &[lost.id]).await;
    assert_eq!(ids(&taken), [lost.id]);
    assert!(taken[0].fence > lost.fence);
    refuses_to_finish(first, &lost).await;
    finish(first, &taken[0], DeliveryState::Delivered, 7).await;
    let next = claim(first, 7, 9).await.remove(0);
    finish(first, &next, DeliveryState::Delivered, 8).await;
}

/// Nobody has to wait for the end of the lease of one that said that it stops.
pub async fn a_clean_stop_ends_the_lease(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    first.report(report(one())).await.unwrap();
    upload_and_deliver(first, "a", 1).await;
    let lost = claim(first, 0, 1).await.remove(0);
    let operation = first.record(publish("b", 2)).await.unwrap();
    let stopped = NodeReport {
        alive_at: None,
        ..report(one())
    };
    first.report(stopped.clone()).await.unwrap();
    assert_eq!(ids(&interrupted(second, &[]).await), [lost.id]);
    assert_eq!(second.pending().await.unwrap(), [operation]);
    assert_eq!(second.nodes().await.unwrap(), [stopped]);
}

/// Leases go by the ledger's clock: a node whose own jumps by days loses nothing that it has begun, and
/// takes nothing that another has.
pub async fn a_clock_that_jumps_is_its_nodes_own(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
        upload_and_deliver(first, name, number).await;
    }
    let own = claim(first, 0, 1).await.remove(0);
    let others = claim(second, 0, 1).await.remove(0);
    for days in [1, -1, 30, -30, 365, 0] {
        let now = minute(days * 24 * 60);
        let told = NodeReport {
            alive_at: Some(now),
            ..report(one())
        };
        first.report(told).await.unwrap();
        let taken = first.interrupted(&[own.id], now).await.unwrap();
        assert!(taken.is_empty(), "taken {days} days off: {taken:?}");
        // What waits may follow the clock; what runs does not.
        first.clock_set_back(now).await.unwrap();
        let lost = interrupted(second, &[others.id]).await;
        assert!(lost.is_empty(), "lost {days} days off: {lost:?}");
        assert!(first.is_latest(&own).await.unwrap(), "{days} days off");
        assert!(second.is_latest(&others).await.unwrap(), "{days} days off");
    }
    finish(first, &own, DeliveryState::Delivered, 1).await;
    finish(second, &others, DeliveryState::Delivered, 1).await;
    for done in [&own, &others] {
        let done = delivery(first, done.id).await;
        assert_eq!((done.attempts, done.fence), (1, 1), "{done:?}");
    }
    // Whoever's clock is right gets what waited.
    let last = claim(second, 1, 9).await;
    assert_eq!(last.len(), 1);
    finish(second, &last[0], DeliveryState::Delivered, 2).await;
}

/// Two that look at the same time never get the same delivery, and together they get all.
pub async fn interrupted_ones_are_given_to_one(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    for number in 0..20 {
        upload_and_deliver(first, &format!("file-{number}"), number).await;
    }
    let lost = claim(first, 0, 99).await;
    assert_eq!(lost.len(), 20);
    (pair.expire)().await;
    let told = first.report(report(one())).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Conflict);
    let (by_first, by_second) = join!(interrupted(first, &[]), interrupted(second, &[]));
    let mut all = ids(&by_first);
    all.extend(ids(&by_second));
    all.sort();
    let mut expect = ids(&lost);
    expect.sort();
    assert_eq!(all, expect);
    for (ledger, taken) in [(first, &by_first), (second, &by_second)] {
        for delivery in taken {
            finish(ledger, delivery, DeliveryState::Delivered, 6).await;
        }
    }
}

/// No delivery is given to two, one of a key runs over all nodes, and the older goes first.
pub async fn claims_at_once_share_the_line(pair: &Pair) {
    const TARGETS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let mut expect: BTreeMap<&str, Vec<DeliveryId>> = BTreeMap::new();
    for number in 0..50 {
        let target = TARGETS[usize::from(number) % TARGETS.len()];
        let there = arrive(first, &format!("file-{number}"), number).await;
        let id = deliver(first, &there, target).await;
        expect.entry(target).or_default().push(id);
    }
    let mut done: BTreeMap<&str, Vec<DeliveryId>> = BTreeMap::new();
    while done.values().map(Vec::len).sum::<usize>() < 50 {
        let (by_first, by_second) = join!(claim(first, 0, 3), claim(second, 0, 3));
        let mut running = BTreeSet::new();
        for delivery in by_first.iter().chain(&by_second) {
            assert!(running.insert(&delivery.target), "two of one key run");
            let target = TARGETS.into_iter().find(|t| *t == delivery.target);
            done.entry(target.unwrap()).or_default().push(delivery.id);
        }
        for (ledger, claimed) in [(first, &by_first), (second, &by_second)] {
            for delivery in claimed {
                finish(ledger, delivery, DeliveryState::Delivered, 1).await;
            }
        }
    }
    assert_eq!(done, expect);
    upload_and_deliver(first, "g", 60).await;
    let held = claim(first, 1, 9).await;
    upload_and_deliver(second, "g", 61).await;
    assert!(claim(second, 1, 9).await.is_empty(), "the other's runs");
    finish(first, &held[0], waiting(2), 2).await;
    assert_eq!(ids(&claim(second, 2, 9).await), ids(&held));
}
