//! What is to be done to objects when the deliveries of their version have ended.

use qm_core::Kind;
use qm_core::arrival::{Arrival, Cause};
use qm_core::delivery::{Delivery, DeliveryState, Finished, FinishedWhy, NewDelivery, Transition};
use qm_core::id::{DeliveryId, RouteName};
use qm_core::operation::NameChange;
use qm_core::ports::ledger::{Attempt, DeliveryFilter, Ledger};

use crate::ledger::sample::{
    REVISION, arrive, audit, claim, claim_and_finish, claim_to, deliver_new, delivery, destination,
    finish, minute, new_delivery, newest, publish, rename, route, run, transition,
    upload_and_deliver, waiting,
};

/// To `share`, and then something is done to the object.
fn with_after(arrival: &Arrival) -> NewDelivery {
    NewDelivery {
        has_after: true,
        ..new_delivery(arrival, "products", "share", arrival.path.key.as_str())
    }
}

async fn finished(ledger: &dyn Ledger) -> Vec<(DeliveryId, FinishedWhy)> {
    let finished = ledger.finished(99).await.unwrap();
    let pairs = finished.iter().map(|one| (one.delivery, one.why));
    pairs.collect()
}

/// Uploads, and routes to `share` with something to be done, and to `archive` without.
async fn upload_to_both(ledger: &dyn Ledger, name: &str, number: u8) -> (DeliveryId, DeliveryId) {
    let there = arrive(ledger, name, number).await;
    let new = vec![
        with_after(&there),
        new_delivery(&there, "copy", "archive", name),
    ];
    let ids = (new[0].id, new[1].id);
    let routed = ledger.route(there.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 2);
    ids
}

async fn claim_archive(ledger: &dyn Ledger) -> Delivery {
    claim_to(ledger, "archive", 60, 1).await.remove(0)
}

async fn reject(ledger: &dyn Ledger) -> Delivery {
    let claimed = claim(ledger, 60, 1).await.remove(0);
    let rejected = Transition {
        is_rejected: true,
        ..transition(DeliveryState::Dead, "not a CSV")
    };
    let ended = ledger.finish(&claimed, rejected, None, minute(60));
    ended.await.unwrap();
    claimed
}

/// Not while another delivery of the version waits, runs or is dead, by whatever route. Done once.
pub async fn an_object_is_finished_with_its_last_delivery(ledger: &dyn Ledger) {
    let upload = NameChange {
        at: minute(-5),
        ..publish("a", 1)
    };
    run(ledger, upload).await;
    let there = newest(ledger).await;
    let new = vec![
        with_after(&there),
        new_delivery(&there, "copy", "archive", "a"),
    ];
    let id = new[0].id;
    let routed = ledger.route(there.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 2);
    assert!(finished(ledger).await.is_empty());
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(finished(ledger).await.is_empty(), "the other waits");
    for state in [waiting(60), DeliveryState::Dead] {
        let claimed = claim_archive(ledger).await;
        assert!(finished(ledger).await.is_empty(), "the other runs");
        finish(ledger, &claimed, state.clone(), 60).await;
        assert!(finished(ledger).await.is_empty(), "{state:?}");
    }
    let redriven = ledger.redrive(DeliveryFilter::default(), audit("all"), minute(60));
    assert_eq!(redriven.await.unwrap().len(), 1);
    let claimed = claim_archive(ledger).await;
    finish(ledger, &claimed, DeliveryState::Delivered, 61).await;
    let expect = Finished {
        delivery: id,
        route: route("products"),
        source: there.path.clone(),
        version: there.version.clone(),
        arrived_at: minute(-5),
        why: FinishedWhy::Delivered,
    };
    assert_eq!(ledger.finished(9).await.unwrap(), [expect]);

    let unknown = DeliveryId::derive(there.version.id, &route("x"), &destination("x"));
    let refused = ledger.tidied(unknown, "removed", minute(62)).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
    for _ in 0..2 {
        let tidied = ledger.tidied(id, "removed", minute(62));
        tidied.await.unwrap();
        assert!(finished(ledger).await.is_empty());
        let attempts = ledger.attempts(id).await.unwrap();
        let last = Attempt {
            number: 2,
            began_at: minute(62),
            ended_at: Some(minute(62)),
            note: Some("removed".to_owned()),
        };
        assert_eq!((attempts.len(), attempts.last()), (2, Some(&last)));
    }
}

/// What was superseded needs no success; what was cancelled had none and holds back for good.
pub async fn superseded_ones_are_not_waited_for_and_cancelled_ones_are(ledger: &dyn Ledger) {
    let (first, _) = upload_to_both(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let claimed = claim_archive(ledger).await;
    finish(ledger, &claimed, DeliveryState::Superseded, 60).await;
    let mut expect = vec![(first, FinishedWhy::Delivered)];
    assert_eq!(finished(ledger).await, expect);

    let (_, other) = upload_to_both(ledger, "b", 2).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let by_id = DeliveryFilter {
        id: Some(other),
        ..DeliveryFilter::default()
    };
    let cancelled = ledger.cancel(by_id, audit("b"), minute(60)).await;
    assert_eq!(cancelled.unwrap(), [other]);
    assert_eq!(finished(ledger).await, expect, "the other was given up");
    let (late, other) = upload_to_both(ledger, "d", 5).await;
    let by_id = DeliveryFilter {
        id: Some(other),
        ..DeliveryFilter::default()
    };
    let cancelled = ledger.cancel(by_id, audit("d"), minute(60)).await;
    assert_eq!(cancelled.unwrap(), [other]);
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert_eq!(delivery(ledger, late).await.state, DeliveryState::Delivered);
    assert_eq!(
        finished(ledger).await,
        expect,
        "the other was given up before"
    );

    let (third, _) = upload_to_both(ledger, "c", 3).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let newer = arrive(ledger, "c", 4).await;
    deliver_new(ledger, &newer, new_delivery(&newer, "copy", "archive", "c")).await;
    let copy: Vec<RouteName> = vec![route("copy")];
    assert_eq!(ledger.supersede(&copy, minute(60)).await.unwrap(), 1);
    expect.push((third, FinishedWhy::Delivered));
    assert_eq!(finished(ledger).await, expect);
    // Oldest first, and no more than asked for.
    let two = ledger.finished(2).await.unwrap();
    let two: Vec<_> = two.iter().map(|one| (one.delivery, one.why)).collect();
    assert_eq!(two, expect[..2]);
    assert!(ledger.finished(0).await.unwrap().is_empty());
}

/// One that did not succeed itself asks for nothing, nor one whose route does nothing.
pub async fn only_what_was_delivered_is_followed(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "nothing", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    for (name, number, state) in [
        ("dead", 2, DeliveryState::Dead),
        ("superseded", 3, DeliveryState::Superseded),
    ] {
        let there = arrive(ledger, name, number).await;
        deliver_new(ledger, &there, with_after(&there)).await;
        claim_and_finish(ledger, state).await;
    }
    let cancelled = ledger.cancel(DeliveryFilter::default(), audit("all"), minute(1));
    assert_eq!(cancelled.await.unwrap().len(), 1);
    assert!(finished(ledger).await.is_empty());
}

/// The version may have arrived under another name: what that starts is waited for as well.
pub async fn an_arrival_that_is_not_routed_is_waited_for(ledger: &dyn Ledger) {
    let there = arrive(ledger, "a", 1).await;
    let id = deliver_new(ledger, &there, with_after(&there)).await;
    let expect = [(id, FinishedWhy::Delivered)];
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert_eq!(finished(ledger).await, expect);
    let moved = NameChange {
        arrival: Some(Cause::Rename),
        ..rename("a", "b", 1)
    };
    run(ledger, moved).await;
    assert!(finished(ledger).await.is_empty(), "not routed yet");
    let there = newest(ledger).await;
    let new = new_delivery(&there, "copy", "archive", "b");
    deliver_new(ledger, &there, new).await;
    assert!(finished(ledger).await.is_empty(), "the other waits");
    let claimed = claim_archive(ledger).await;
    finish(ledger, &claimed, DeliveryState::Delivered, 61).await;
    assert_eq!(finished(ledger).await, expect);

    // What was done is not done again, wherever the version still goes.
    ledger.tidied(id, "removed", minute(62)).await.unwrap();
    let moved = NameChange {
        arrival: Some(Cause::Rename),
        ..rename("b", "c", 1)
    };
    run(ledger, moved).await;
    let there = newest(ledger).await;
    let new = new_delivery(&there, "late", "archive", "c");
    deliver_new(ledger, &there, new).await;
    let claimed = claim_archive(ledger).await;
    finish(ledger, &claimed, DeliveryState::Delivered, 63).await;
    assert!(finished(ledger).await.is_empty());
}

/// At once, whatever becomes of the others; a redrive takes it back, and if that delivers what was
/// rejected before, what follows follows.
pub async fn a_rejected_object_is_finished_at_once(ledger: &dyn Ledger) {
    let (id, _) = upload_to_both(ledger, "a", 1).await;
    let rejected = [(id, FinishedWhy::Rejected)];
    assert_eq!(reject(ledger).await.id, id);
    assert_eq!(finished(ledger).await, rejected);
    let redrive = |at| async move {
        let redriven = ledger.redrive(DeliveryFilter::default(), audit("all"), minute(at));
        assert_eq!(redriven.await.unwrap(), [id]);
    };
    redrive(60).await;
    assert!(finished(ledger).await.is_empty());
    reject(ledger).await;
    assert_eq!(finished(ledger).await, rejected);
    let tidied = ledger.tidied(id, "quarantined", minute(61));
    tidied.await.unwrap();
    assert!(finished(ledger).await.is_empty());

    redrive(60).await;
    let claimed = claim(ledger, 60, 1).await.remove(0);
    finish(ledger, &claimed, DeliveryState::Delivered, 62).await;
    assert!(finished(ledger).await.is_empty(), "the other waits");
    let claimed = claim_archive(ledger).await;
    finish(ledger, &claimed, DeliveryState::Delivered, 62).await;
    assert_eq!(finished(ledger).await, [(id, FinishedWhy::Delivered)]);
    // Two rejections, the quarantine, the delivery: each has its line.
    let attempts = ledger.attempts(id).await.unwrap();
    let notes: Vec<&str> = attempts
        .iter()
        .map(|attempt| attempt.note.as_deref().unwrap())
        .collect();
    assert_eq!(notes, ["not a CSV", "not a CSV", "quarantined", "note"]);
}
