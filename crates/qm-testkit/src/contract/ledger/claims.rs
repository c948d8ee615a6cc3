//! Which deliveries are claimed, and in what order.

use qm_core::delivery::{DeliveryState, NewDelivery};
use qm_core::id::{DeliveryId, DestinationName};
use qm_core::ports::ledger::{Attempt, Ledger};

use crate::ledger::sample::{REVISION, version};
use crate::ledger::sample::{
    arrive, claim, claim_and_finish, claim_to, deliver, deliver_by, deliver_new, delivery, finish,
    ids, minute, new_delivery, route, running, upload_and_deliver, waiting,
};

/// State, fence, count and attempt row, in what is returned and in what is kept.
pub async fn a_claim_begins_an_attempt(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a", 1).await;
    assert!(ledger.attempts(id).await.unwrap().is_empty());
    let before = delivery(ledger, id).await;
    let claimed = claim(ledger, 2, 9).await;
    assert_eq!(ids(&claimed), [id]);
    assert_eq!(claimed[0].state, running());
    assert_eq!(claimed[0].attempts, 1);
    assert!(claimed[0].fence > before.fence);
    assert_eq!(claimed[0].updated_at, minute(2));
    assert_eq!(claimed[0].version, version(1));
    assert_eq!(delivery(ledger, id).await, claimed[0]);
    let begun = Attempt {
        number: 1,
        began_at: minute(2),
        ended_at: None,
        note: None,
    };
    assert_eq!(ledger.attempts(id).await.unwrap(), [begun]);
    assert!(claim(ledger, 99, 9).await.is_empty(), "it runs");
}

/// Not by when they became ready; only of the destination, only when their time has come.
pub async fn claims_follow_the_order_of_arrival(ledger: &dyn Ledger) {
    let first = upload_and_deliver(ledger, "a", 1).await;
    let second = upload_and_deliver(ledger, "b", 2).await;
    let third = upload_and_deliver(ledger, "c", 3).await;
    let elsewhere = arrive(ledger, "d", 4).await;
    let elsewhere = deliver_by(ledger, &elsewhere, "products", "archive", "d").await;
    let later = arrive(ledger, "e", 5).await;
    let new = vec![new_delivery(&later, "products", "share", "e")];
    let routed = ledger.route(later.seq, new.clone(), REVISION, minute(30));
    assert_eq!(routed.await.unwrap(), 1);

    assert!(claim(ledger, 0, 0).await.is_empty());
    let claimed = claim(ledger, 0, 1).await;
    assert_eq!(ids(&claimed), [first]);
    finish(ledger, &claimed[0], waiting(20), 1).await;
    let claimed = claim(ledger, 10, 1).await;
    assert_eq!(ids(&claimed), [second]);
    finish(ledger, &claimed[0], waiting(15), 11).await;
    // Ready last, the oldest still goes first.
    assert_eq!(ids(&claim(ledger, 20, 9).await), [first, second, third]);
    assert!(claim(ledger, 29, 9).await.is_empty());
    assert_eq!(ids(&claim(ledger, 30, 9).await), [new[0].id]);
    assert_eq!(ids(&claim_to(ledger, "archive", 0, 9).await), [elsewhere]);
}

/// A destination and target at a time; others run beside it.
pub async fn one_of_an_ordering_key_runs(ledger: &dyn Ledger) {
    let older = upload_and_deliver(ledger, "a", 1).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    let newest = upload_and_deliver(ledger, "a", 3).await;
    let other_target = upload_and_deliver(ledger, "b", 4).await;
    let elsewhere = arrive(ledger, "a", 5).await;
    let elsewhere = deliver_by(ledger, &elsewhere, "products", "archive", "a").await;
    let claimed = claim(ledger, 0, 9).await;
    assert_eq!(ids(&claimed), [older, other_target]);
    assert_eq!(ids(&claim_to(ledger, "archive", 0, 9).await), [elsewhere]);
    assert!(claim(ledger, 5, 9).await.is_empty());
    finish(ledger, &claimed[0], DeliveryState::Delivered, 6).await;
    let claimed = claim(ledger, 6, 9).await;
    assert_eq!(ids(&claimed), [newer]);
    finish(ledger, &claimed[0], DeliveryState::Superseded, 7).await;
    assert_eq!(ids(&claim(ledger, 7, 9).await), [newest]);
}

/// A newer one waits as long as an older one of its key waits, however long that is.
pub async fn an_older_one_is_never_overtaken(ledger: &dyn Ledger) {
    let older = upload_and_deliver(ledger, "a", 1).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    let claimed = claim(ledger, 0, 9).await;
    finish(ledger, &claimed[0], waiting(60), 1).await;
    for at in [1, 30, 59] {
        assert!(claim(ledger, at, 9).await.is_empty(), "at {at}");
    }
    let claimed = claim(ledger, 60, 9).await;
    assert_eq!(ids(&claimed), [older]);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 61).await;
    assert_eq!(ids(&claim(ledger, 61, 9).await), [newer]);
}

/// It waits for somebody, the others do not wait for it.
pub async fn a_dead_one_blocks_nobody(ledger: &dyn Ledger) {
    let older = upload_and_deliver(ledger, "a", 1).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    assert_eq!(claim_and_finish(ledger, DeliveryState::Dead).await, older);
    assert_eq!(ids(&claim(ledger, 1, 9).await), [newer]);
}

/// Two routes to one target are one ordering key, even with the same arrival.
pub async fn one_arrival_by_two_routes_is_serial(ledger: &dyn Ledger) {
    let there = arrive(ledger, "a", 1).await;
    let new = vec![
        new_delivery(&there, "products", "share", "a"),
        new_delivery(&there, "copy", "share", "a"),
    ];
    let routed = ledger.route(there.seq, new.clone(), REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 2);
    let first = claim(ledger, 0, 9).await;
    assert_eq!(ids(&first), [new[0].id]);
    finish(ledger, &first[0], DeliveryState::Delivered, 1).await;
    assert_eq!(ids(&claim(ledger, 1, 9).await), [new[1].id]);
}

/// More behind one of their key than are looked at in one go.
pub async fn a_long_line_behind_one_does_not_hide_others(ledger: &dyn Ledger) {
    let mut line = Vec::new();
    for number in 0..150 {
        line.push(upload_and_deliver(ledger, "a", number).await);
    }
    let other = arrive(ledger, "b", 200).await;
    let other = deliver(ledger, &other, "b").await;
    let claimed = claim(ledger, 0, 2).await;
    assert_eq!(ids(&claimed), [line[0], other]);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 0).await;
    finish(ledger, &claimed[1], DeliveryState::Delivered, 0).await;
    for expect in &line[1..] {
        let claimed = claim(ledger, 0, 9).await;
        assert_eq!(ids(&claimed), [*expect]);
        finish(ledger, &claimed[0], DeliveryState::Delivered, 0).await;
    }
    assert!(claim(ledger, 0, 9).await.is_empty());
}

/// One for each that something could be claimed for, those that were looked up included.
pub async fn destinations_that_are_waited_for(ledger: &dyn Ledger) {
    let waiting_at = |at| async move {
        let found = ledger.waiting_at(minute(at), None, 9).await.unwrap();
        let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert!(waiting_at(99).await.is_empty());
    for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
        upload_and_deliver(ledger, name, number).await;
    }
    let there = arrive(ledger, "d", 4).await;
    let looked_up = DestinationName::looked_up(&route("push"), "partners/north");
    let new = NewDelivery {
        id: DeliveryId::derive(there.version.id, &route("push"), &looked_up),
        destination: looked_up.clone(),
        ..new_delivery(&there, "push", "share", "d")
    };
    let id = deliver_new(ledger, &there, new).await;
    assert_eq!(delivery(ledger, id).await.destination, looked_up);
    let later = arrive(ledger, "e", 5).await;
    let new = vec![new_delivery(&later, "products", "archive", "e")];
    let routed = ledger.route(later.seq, new, REVISION, minute(30));
    assert_eq!(routed.await.unwrap(), 1);
    assert!(claim_to(ledger, "archive", 0, 9).await.is_empty());
    assert_eq!(waiting_at(29).await, ["push/partners/north", "share"]);
    let all = ["archive", "push/partners/north", "share"];
    assert_eq!(waiting_at(30).await, all);
    // By name, so that whoever asks on gets all of them.
    let mut after = None;
    for name in all {
        let found = ledger.waiting_at(minute(30), after.as_ref(), 1).await;
        let found = found.unwrap();
        assert_eq!((found.len(), found[0].as_str()), (1, name));
        after = found.into_iter().next();
    }
    let rest = ledger.waiting_at(minute(30), after.as_ref(), 9).await;
    assert!(rest.unwrap().is_empty());

    let claimed = claim(ledger, 0, 9).await;
    assert_eq!(waiting_at(0).await, ["push/partners/north"]);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 1).await;
    finish(ledger, &claimed[1], DeliveryState::Dead, 1).await;
    assert_eq!(waiting_at(1).await, ["push/partners/north"]);
    finish(ledger, &claimed[2], waiting(20), 1).await;
    assert_eq!(waiting_at(19).await, ["push/partners/north"]);
    assert_eq!(waiting_at(20).await, ["push/partners/north", "share"]);
}

/// Of one key, in order of arrival: independent or not.
async fn line(ledger: &dyn Ledger, independent: &[bool]) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for (number, is_independent) in (1..).zip(independent) {
        let there = arrive(ledger, "a", number).await;
        let new = NewDelivery {
            is_independent: *is_independent,
            ..new_delivery(&there, "products", "share", "a")
        };
        ids.push(deliver_new(ledger, &there, new).await);
    }
    ids
}

/// An older one that waits holds up nobody who is independent, one that runs does.
pub async fn an_independent_one_waits_for_running_ones_only(ledger: &dyn Ledger) {
    let line = line(ledger, &[true; 4]).await;
    let first = claim(ledger, 0, 9).await;
    assert_eq!(ids(&first), line[..1], "one runs at a time");
    finish(ledger, &first[0], waiting(60), 1).await;
    assert_eq!(ledger.next_ready().await.unwrap(), Some(minute(0)));
    let second = claim(ledger, 1, 9).await;
    assert_eq!(ids(&second), line[1..2]);
    assert!(claim(ledger, 60, 9).await.is_empty(), "the older one, too");
    finish(ledger, &second[0], waiting(70), 61).await;
    // Its turn has come, and it is older.
    let first = claim(ledger, 61, 9).await;
    assert_eq!(ids(&first), line[..1]);
    finish(ledger, &first[0], waiting(80), 62).await;
    for expect in &line[2..] {
        let next = claim(ledger, 62, 9).await;
        assert_eq!(ids(&next), [*expect]);
        finish(ledger, &next[0], DeliveryState::Delivered, 63).await;
    }
    assert!(claim(ledger, 69, 9).await.is_empty());
    assert_eq!(ledger.next_ready().await.unwrap(), Some(minute(70)));
    assert_eq!(ids(&claim(ledger, 70, 9).await), line[1..2]);
}

/// One that is not independent waits for older ones of whatever kind, and holds up none that is.
pub async fn independent_ones_pass_by_those_that_are_not(ledger: &dyn Ledger) {
    let line = line(ledger, &[false, true, false, true]).await;
    let first = claim(ledger, 0, 9).await;
    assert_eq!(ids(&first), line[..1]);
    finish(ledger, &first[0], waiting(60), 1).await;
    let second = claim(ledger, 1, 9).await;
    assert_eq!(ids(&second), line[1..2]);
    finish(ledger, &second[0], waiting(50), 2).await;
    let fourth = claim(ledger, 2, 9).await;
    assert_eq!(ids(&fourth), line[3..]);
    finish(ledger, &fourth[0], DeliveryState::Delivered, 3).await;
    assert!(claim(ledger, 49, 9).await.is_empty());
    let second = claim(ledger, 50, 9).await;
    assert_eq!(ids(&second), line[1..2]);
    finish(ledger, &second[0], DeliveryState::Delivered, 51).await;
    assert!(
        claim(ledger, 59, 9).await.is_empty(),
        "the first still waits"
    );
    let first = claim(ledger, 60, 9).await;
    assert_eq!(ids(&first), line[..1]);
    finish(ledger, &first[0], DeliveryState::Delivered, 61).await;
    assert_eq!(ids(&claim(ledger, 61, 9).await), line[2..3]);
}

/// The earliest of those that could be claimed, whatever their destination.
pub async fn the_next_ready_one(ledger: &dyn Ledger) {
    let next = || async { ledger.next_ready().await.unwrap() };
    assert_eq!(next().await, None);
    upload_and_deliver(ledger, "a", 1).await;
    assert_eq!(next().await, Some(minute(0)));
    let first = claim(ledger, 0, 1).await;
    assert_eq!(next().await, None, "it runs");
    upload_and_deliver(ledger, "a", 2).await;
    assert_eq!(next().await, None, "it is behind one that runs");
    finish(ledger, &first[0], waiting(20), 1).await;
    assert_eq!(next().await, Some(minute(20)), "the other is behind it");
    let elsewhere = arrive(ledger, "b", 3).await;
    let new = vec![new_delivery(&elsewhere, "products", "archive", "b")];
    let routed = ledger.route(elsewhere.seq, new, REVISION, minute(15));
    assert_eq!(routed.await.unwrap(), 1);
    assert_eq!(next().await, Some(minute(15)));
    let claimed = claim_to(ledger, "archive", 15, 1).await;
    assert_eq!(next().await, Some(minute(20)));
    finish(ledger, &claimed[0], DeliveryState::Delivered, 16).await;
    let claimed = claim(ledger, 20, 1).await;
    finish(ledger, &claimed[0], DeliveryState::Delivered, 21).await;
    assert_eq!(next().await, Some(minute(0)), "its turn has come");
    claim_and_finish(ledger, DeliveryState::Dead).await;
    assert_eq!(next().await, None);
}

/// What was made to wait by a clock that was ahead does not wait for it to come there again.
pub async fn a_clock_set_back_makes_nobody_wait(ledger: &dyn Ledger) {
    let tried = upload_and_deliver(ledger, "tried", 1).await;
    let behind = upload_and_deliver(ledger, "tried", 2).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &claimed, waiting(600), 599).await;
    let waits = upload_and_deliver(ledger, "waits", 3).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    assert_eq!(claimed.id, waits);
    finish(ledger, &claimed, waiting(20), 1).await;
    assert!(claim(ledger, 10, 9).await.is_empty());
    assert_eq!(ledger.clock_set_back(minute(10)).await.unwrap(), 1);
    assert_eq!(ledger.clock_set_back(minute(10)).await.unwrap(), 0);
    // The other one waits for its time as before, and the line is what it was.
    let now = claim(ledger, 10, 9).await;
    assert_eq!(ids(&now), [tried]);
    finish(ledger, &now[0], DeliveryState::Delivered, 11).await;
    assert_eq!(ids(&claim(ledger, 12, 9).await), [behind]);
    assert_eq!(ids(&claim(ledger, 20, 9).await), [waits]);
}
