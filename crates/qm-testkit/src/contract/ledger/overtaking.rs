//! Newer arrivals of the same source and older deliveries to the same target.

use qm_core::alert::{AlertState, dead_letter};
use qm_core::arrival::Arrival;
use qm_core::delivery::{Delivery, DeliveryState, NewDelivery};
use qm_core::id::{DeliveryId, RouteName};
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    REVISION, arrive, audit, claim, claim_and_finish, deliver, deliver_by, deliver_new, delivery,
    finish, ids, minute, new_delivery, notifier, route, transition, upload_and_deliver, waiting,
};

async fn supersede(ledger: &dyn Ledger, routes: &[&str]) -> u32 {
    let routes: Vec<RouteName> = routes.iter().map(|name| route(name)).collect();
    ledger.supersede(&routes, minute(50)).await.unwrap()
}

async fn is_superseded(ledger: &dyn Ledger, id: DeliveryId) -> bool {
    delivery(ledger, id).await.state == DeliveryState::Superseded
}

/// The fence is kept and nothing newer of the same source was delivered to the same target.
pub async fn the_latest_of_a_source(ledger: &dyn Ledger) {
    let is_latest = |delivery: Delivery| async move { ledger.is_latest(&delivery).await.unwrap() };
    upload_and_deliver(ledger, "a", 1).await;
    let first = claim(ledger, 0, 1).await.remove(0);
    assert!(is_latest(first.clone()).await);
    finish(ledger, &first, DeliveryState::Dead, 0).await;
    // Another source to the same target, and the same source to another target.
    let other = arrive(ledger, "other", 2).await;
    deliver(ledger, &other, "a").await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let same = arrive(ledger, "a", 3).await;
    deliver(ledger, &same, "elsewhere").await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(is_latest(first.clone()).await);
    upload_and_deliver(ledger, "a", 4).await;
    let newer = claim(ledger, 0, 1).await.remove(0);
    assert!(is_latest(first.clone()).await, "the newer one only runs");
    finish(ledger, &newer, DeliveryState::Delivered, 0).await;
    assert!(!is_latest(first).await);
    assert!(is_latest(newer).await);

    upload_and_deliver(ledger, "b", 5).await;
    let lost = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &lost, waiting(1), 0).await;
    let kept = claim(ledger, 1, 1).await.remove(0);
    assert!(!ledger.is_held(&lost).await.unwrap());
    assert!(!is_latest(lost).await, "the lease is another's");
    assert!(ledger.is_held(&kept).await.unwrap());
    assert!(is_latest(kept).await);
}

/// Waiting and dead ones; the dead letter's alert ends without a message.
pub async fn newer_arrivals_supersede_open_deliveries(ledger: &dyn Ledger) {
    let dead = upload_and_deliver(ledger, "a", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    let told = dead_letter(&claimed, "refused", vec![notifier("sre")], minute(1));
    let ended = transition(DeliveryState::Dead, "refused");
    let finished = ledger.finish(&claimed, ended, Some(told), minute(1));
    finished.await.unwrap();
    let retried = upload_and_deliver(ledger, "a", 2).await;
    let claimed = claim(ledger, 1, 1).await.remove(0);
    finish(ledger, &claimed, waiting(60), 2).await;
    let newest = upload_and_deliver(ledger, "a", 3).await;
    assert_eq!(supersede(ledger, &[]).await, 0);
    assert_eq!(supersede(ledger, &["copy"]).await, 0);
    assert_eq!(supersede(ledger, &["copy", "products"]).await, 2);
    assert!(is_superseded(ledger, dead).await);
    assert!(is_superseded(ledger, retried).await);
    assert_eq!(delivery(ledger, dead).await.updated_at, minute(50));
    assert_eq!(delivery(ledger, newest).await.state, waiting(0));
    assert_eq!(supersede(ledger, &["products"]).await, 0);
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts[0].state, AlertState::Resolved);
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 1);
}

/// Running and delivered ones, other sources, other targets, the newest itself.
pub async fn superseding_leaves_what_is_not_overtaken(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "done", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    upload_and_deliver(ledger, "done", 2).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    upload_and_deliver(ledger, "busy", 3).await;
    let running = claim(ledger, 0, 1).await.remove(0);
    upload_and_deliver(ledger, "busy", 4).await;
    let one = arrive(ledger, "one", 5).await;
    deliver(ledger, &one, "same-target").await;
    let other = arrive(ledger, "other", 6).await;
    deliver(ledger, &other, "same-target").await;
    let one = arrive(ledger, "one", 7).await;
    deliver(ledger, &one, "other-target").await;
    let first = arrive(ledger, "copied", 8).await;
    deliver(ledger, &first, "copied").await;
    let second = arrive(ledger, "copied", 9).await;
    deliver_by(ledger, &second, "copy", "archive", "copied").await;
    assert_eq!(supersede(ledger, &["products", "copy"]).await, 0);

    // What ran is overtaken as soon as it waits or is dead.
    finish(ledger, &running, DeliveryState::Dead, 5).await;
    assert_eq!(supersede(ledger, &["products"]).await, 1);
    assert!(is_superseded(ledger, running.id).await);

    // The route of the newer one decides.
    let old = arrive(ledger, "moved", 10).await;
    let old = deliver_by(ledger, &old, "former", "share", "moved").await;
    let new = arrive(ledger, "moved", 11).await;
    let new = deliver_by(ledger, &new, "present", "share", "moved").await;
    assert_eq!(supersede(ledger, &["former"]).await, 0);
    assert_eq!(supersede(ledger, &["present"]).await, 1);
    assert!(is_superseded(ledger, old).await);
    assert!(!is_superseded(ledger, new).await);
}

/// One into a place where it is added to what is there.
async fn add(ledger: &dyn Ledger, arrival: &Arrival) -> DeliveryId {
    let new = NewDelivery {
        adds: true,
        ..new_delivery(arrival, "products", "share", "rows")
    };
    deliver_new(ledger, arrival, new).await
}

/// Neither while it waits, nor when it is dead, nor when it is redriven after a newer one was delivered.
pub async fn what_adds_takes_nobodys_place(ledger: &dyn Ledger) {
    let dead = add(ledger, &arrive(ledger, "a", 1).await).await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    let retried = add(ledger, &arrive(ledger, "a", 2).await).await;
    let claimed = claim(ledger, 0, 9).await;
    assert_eq!(ids(&claimed), [retried], "a dead one blocks nobody");
    let newest = add(ledger, &arrive(ledger, "a", 3).await).await;
    finish(ledger, &claimed[0], waiting(60), 0).await;
    assert_eq!(supersede(ledger, &["products"]).await, 0);

    // The line is that of arrivals.
    assert!(claim(ledger, 59, 9).await.is_empty());
    for next in [retried, newest] {
        let claimed = claim(ledger, 60, 9).await;
        assert_eq!(ids(&claimed), [next]);
        assert!(ledger.is_held(&claimed[0]).await.unwrap());
        finish(ledger, &claimed[0], DeliveryState::Delivered, 60).await;
    }

    let all = DeliveryFilter::default();
    let redriven = ledger.redrive(all, audit("all"), minute(61)).await;
    assert_eq!(redriven.unwrap(), [dead]);
    assert_eq!(supersede(ledger, &["products"]).await, 0);
    let claimed = claim(ledger, 61, 9).await;
    assert_eq!(ids(&claimed), [dead]);
    assert!(ledger.is_held(&claimed[0]).await.unwrap());
    finish(ledger, &claimed[0], waiting(62), 61).await;
    let again = claim(ledger, 62, 9).await;
    assert!(!ledger.is_held(&claimed[0]).await.unwrap());
    finish(ledger, &again[0], DeliveryState::Delivered, 62).await;

    // Whichever is routed first.
    let (older, newer) = (arrive(ledger, "b", 4).await, arrive(ledger, "b", 5).await);
    let newer = add(ledger, &newer).await;
    let older = add(ledger, &older).await;
    assert_eq!(supersede(ledger, &["products"]).await, 0);
    // From when on versions replace each other there.
    let replacing = arrive(ledger, "b", 6).await;
    let replacing = deliver(ledger, &replacing, "rows").await;
    assert_eq!(supersede(ledger, &["products"]).await, 2);
    assert!(is_superseded(ledger, older).await);
    assert!(is_superseded(ledger, newer).await);
    assert!(!is_superseded(ledger, replacing).await);
}

/// What stood behind a superseded one is claimed next.
pub async fn superseding_frees_the_line(ledger: &dyn Ledger) {
    let older = upload_and_deliver(ledger, "a", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &claimed, waiting(60), 1).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    assert!(claim(ledger, 2, 9).await.is_empty());
    assert_eq!(supersede(ledger, &["products"]).await, 1);
    assert!(is_superseded(ledger, older).await);
    assert_eq!(ids(&claim(ledger, 3, 9).await), [newer]);
}

/// One call holds nobody up for long; who repeats it gets all of them.
pub async fn many_are_superseded_in_parts(ledger: &dyn Ledger) {
    for number in 1..=150 {
        let there = arrive(ledger, "a", number).await;
        let new = ["products", "copy"].map(|route| new_delivery(&there, route, "share", "a"));
        let routed = ledger.route(there.seq, new.to_vec(), REVISION, minute(0));
        assert_eq!(routed.await.unwrap(), 2);
    }
    let mut parts = Vec::new();
    while let count @ 1.. = supersede(ledger, &["products", "copy"]).await {
        parts.push(count);
    }
    assert_eq!(parts.iter().sum::<u32>(), 298);
    assert!(parts.len() > 1, "{parts:?}");
}
