//! Objects that went away from a name by somebody's wish, and what follows of it at destinations.

use qm_core::alert::{AlertState, dead_letter};
use qm_core::arrival::{Arrival, Cause};
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::departure::{Departure, Following};
use qm_core::id::DeliveryId;
use qm_core::operation::{Change, NameChange};
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    REVISION, arrive, audit, claim, claim_and_finish, deliver, delivery, finish, ids, minute,
    new_delivery, newest, notifier, path, publish, route_nowhere, run, transition,
    upload_and_deliver, version, waiting,
};

fn removal(name: &str, number: u8) -> NameChange {
    NameChange {
        change: Change::Remove,
        arrival: None,
        replaces: Some(version(number).id),
        departs: true,
        ..publish(name, number)
    }
}

fn renaming(from: &str, to: &str, number: u8) -> NameChange {
    NameChange {
        change: Change::Rename { to: path(to).key },
        arrival: Some(Cause::Rename),
        departs: true,
        ..publish(from, number)
    }
}

async fn departures(ledger: &dyn Ledger) -> Vec<Departure> {
    ledger.departures(99).await.unwrap()
}

async fn the_departure(ledger: &dyn Ledger) -> Departure {
    let mut found = departures(ledger).await;
    assert_eq!(found.len(), 1);
    found.remove(0)
}

async fn follow(ledger: &dyn Ledger, departure: &Departure, following: Vec<Following>) -> u32 {
    let followed = ledger.depart(departure, following, REVISION, minute(5));
    followed.await.unwrap()
}

/// Removes the object and follows it everywhere; the removal of that delivery.
async fn remove(ledger: &dyn Ledger, name: &str, number: u8) -> Vec<Delivery> {
    run(ledger, removal(name, number)).await;
    let departure = the_departure(ledger).await;
    let following = departure.copies.iter().map(|d| Following::Remove(d.id));
    follow(ledger, &departure, following.collect()).await;
    removals(ledger).await
}

/// Newest first.
async fn removals(ledger: &dyn Ledger) -> Vec<Delivery> {
    let mut all = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    all.retain(|delivery| delivery.effect != Effect::Put);
    all
}

async fn state(ledger: &dyn Ledger, id: DeliveryId) -> DeliveryState {
    delivery(ledger, id).await.state
}

/// It names what was delivered from the name; followed once, it is over.
pub async fn a_departure_is_followed_once(ledger: &dyn Ledger) {
    let put = upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    run(ledger, removal("a", 1)).await;
    let departure = the_departure(ledger).await;
    assert_eq!(departure.path, path("a"));
    assert_eq!(departure.version, version(1).id);
    assert_eq!(departure.to, None);
    assert_eq!(ids(&departure.copies), [put]);
    let following = vec![Following::Remove(put)];
    assert_eq!(follow(ledger, &departure, following.clone()).await, 1);
    assert_eq!(follow(ledger, &departure, following).await, 0);
    assert!(departures(ledger).await.is_empty());

    let found = removals(ledger).await;
    assert_eq!(found.len(), 1);
    let original = delivery(ledger, put).await;
    assert_eq!(original.state, DeliveryState::Delivered);
    let expect = Delivery {
        id: found[0].id,
        effect: Effect::Remove { of: put },
        state: waiting(5),
        attempts: 0,
        fence: 0,
        created_at: minute(5),
        updated_at: minute(5),
        ..original
    };
    assert_eq!(found[0], expect);
    let claimed = claim(ledger, 5, 9).await;
    assert_eq!(ids(&claimed), [expect.id]);
    assert!(ledger.is_latest(&claimed[0]).await.unwrap());
    assert_eq!(ids(&ledger.copies(&claimed[0]).await.unwrap()), [put]);
    assert!(!ledger.is_needed(version(1).id).await.unwrap());
    finish(ledger, &claimed[0], DeliveryState::Delivered, 6).await;
    assert!(claim(ledger, 9, 9).await.is_empty());
}

/// What the node does after deliveries, and what fails, is no departure; nor what never came
/// through us.
pub async fn only_wishes_are_departures(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let quiet = NameChange {
        departs: false,
        ..removal("a", 1)
    };
    run(ledger, quiet).await;
    let unknown = NameChange {
        version: None,
        replaces: None,
        ..removal("b", 2)
    };
    run(ledger, unknown).await;
    upload_and_deliver(ledger, "c", 3).await;
    let failed = ledger.record(removal("c", 3)).await.unwrap();
    assert!(departures(ledger).await.is_empty(), "it is only recorded");
    let told = crate::ledger::sample::alert("c");
    ledger.fail(&failed, "no", told).await.unwrap();
    assert!(departures(ledger).await.is_empty());
}

/// Before that nobody knows what it was delivered by.
pub async fn a_departure_waits_for_arrivals(ledger: &dyn Ledger) {
    let there = arrive(ledger, "a", 1).await;
    run(ledger, removal("a", 1)).await;
    assert!(departures(ledger).await.is_empty());
    let put = deliver(ledger, &there, "a").await;
    assert_eq!(ids(&the_departure(ledger).await.copies), [put]);
}

/// One that is open is given up with its alert, one that runs is waited for.
pub async fn a_removal_ends_what_is_open(ledger: &dyn Ledger) {
    let dead = upload_and_deliver(ledger, "dead", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    let told = dead_letter(&claimed, "refused", vec![notifier("sre")], minute(1));
    let ended = transition(DeliveryState::Dead, "refused");
    let finished = ledger.finish(&claimed, ended, Some(told), minute(1));
    finished.await.unwrap();
    remove(ledger, "dead", 1).await;
    assert_eq!(state(ledger, dead).await, DeliveryState::Superseded);
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts[0].state, AlertState::Resolved);
    // It may be there all the same.
    let removed = claim(ledger, 9, 9).await;
    assert_eq!(ids(&ledger.copies(&removed[0]).await.unwrap()), [dead]);
    finish(ledger, &removed[0], DeliveryState::Delivered, 9).await;

    upload_and_deliver(ledger, "runs", 2).await;
    let running = claim(ledger, 9, 1).await.remove(0);
    remove(ledger, "runs", 2).await;
    assert!(claim(ledger, 10, 9).await.is_empty());
    finish(ledger, &running, DeliveryState::Delivered, 10).await;
    let next = claim(ledger, 11, 9).await;
    assert_eq!(next[0].effect, Effect::Remove { of: running.id });
    finish(ledger, &next[0], DeliveryState::Delivered, 11).await;

    // Never tried, it left nothing there; what was there before it goes.
    let first = upload_and_deliver(ledger, "again", 3).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let second = upload_and_deliver(ledger, "again", 4).await;
    remove(ledger, "again", 4).await;
    assert_eq!(state(ledger, second).await, DeliveryState::Superseded);
    let last = claim(ledger, 12, 9).await;
    assert_eq!(last[0].effect, Effect::Remove { of: second });
    assert_eq!(ids(&ledger.copies(&last[0]).await.unwrap()), [first]);
}

/// Whichever comes first: the newer file takes the old one's place.
pub async fn a_newer_arrival_replaces_a_removal(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let removed = remove(ledger, "a", 1).await.remove(0);
    assert_eq!(removed.state, waiting(5));
    let newer = upload_and_deliver(ledger, "a", 2).await;
    assert_eq!(state(ledger, removed.id).await, DeliveryState::Superseded);
    let claimed = claim(ledger, 6, 9).await;
    assert_eq!(ids(&claimed), [newer]);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 6).await;

    // One that runs finds out at its fence.
    remove(ledger, "a", 2).await;
    let runs = claim(ledger, 6, 9).await.remove(0);
    assert_eq!(runs.effect, Effect::Remove { of: newer });
    upload_and_deliver(ledger, "a", 3).await;
    assert!(claim(ledger, 6, 9).await.is_empty());
    assert!(ledger.is_latest(&runs).await.unwrap(), "it only waits");
    finish(ledger, &runs, waiting(60), 6).await;
    claim_and_finish_at(ledger, 61).await;
    claim_and_finish_at(ledger, 62).await;
    assert!(!ledger.is_latest(&runs).await.unwrap());

    // The newer one is on its way when the older one's departure is looked at.
    let there = arrive(ledger, "b", 4).await;
    deliver(ledger, &there, "b").await;
    run(ledger, removal("b", 4)).await;
    let older = the_departure(ledger).await.copies[0].id;
    let newer = upload_and_deliver(ledger, "b", 5).await;
    let departure = the_departure(ledger).await;
    assert_eq!(
        ids(&departure.copies),
        [older],
        "the newer one does not depart"
    );
    let following = vec![Following::Remove(older)];
    follow(ledger, &departure, following).await;
    let late = removals(ledger).await.remove(0);
    assert_eq!(late.state, DeliveryState::Superseded);
    assert_eq!(ids(&claim(ledger, 63, 9).await), [newer]);
}

async fn claim_and_finish_at(ledger: &dyn Ledger, at: i64) {
    let claimed = claim(ledger, at, 1).await;
    assert_eq!(claimed.len(), 1);
    finish(ledger, &claimed[0], DeliveryState::Delivered, at).await;
}

/// Delivered under its new name, then removed under the old one.
pub async fn a_renamed_object_is_delivered_again(ledger: &dyn Ledger) {
    let put = upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    run(ledger, renaming("a", "b", 1)).await;
    route_nowhere(ledger).await;
    let departure = the_departure(ledger).await;
    let to: Arrival = newest(ledger).await;
    assert_eq!(departure.to.as_ref(), Some(&to));
    assert_eq!(to.path, path("b"));
    let mut new = new_delivery(&to, "products", "share", "b");
    new.id = DeliveryId::derive_renamed(
        to.version.id,
        &new.route,
        &new.destination,
        departure.operation,
    );
    let moved = new.id;
    let following = Following::Rename {
        new,
        replaces: Some(put),
    };
    assert_eq!(follow(ledger, &departure, vec![following]).await, 1);
    assert!(removals(ledger).await.is_empty());
    let claimed = claim(ledger, 5, 9).await;
    assert_eq!(ids(&claimed), [moved]);
    assert_eq!(claimed[0].source, path("b"));
    finish(ledger, &claimed[0], waiting(6), 5).await;
    assert!(removals(ledger).await.is_empty(), "it is not there yet");
    let claimed = claim(ledger, 6, 9).await;
    finish(ledger, &claimed[0], DeliveryState::Delivered, 7).await;
    let removed = claim(ledger, 7, 9).await;
    assert_eq!(removed[0].effect, Effect::Remove { of: put });
    assert_eq!(
        (removed[0].target.as_str(), &removed[0].source),
        ("a", &path("a"))
    );
    finish(ledger, &removed[0], DeliveryState::Delivered, 8).await;

    // From the new name it departs like any other.
    let gone = remove(ledger, "b", 1).await;
    assert_eq!(gone[0].effect, Effect::Remove { of: moved });
}

/// A version that was brought back went over a newer one's copy, which is what is there.
pub async fn the_newest_of_a_place_is_removed(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let back = NameChange {
        change: Change::Restore,
        arrival: Some(Cause::Restore),
        ..publish("a", 1)
    };
    run(ledger, back).await;
    route_nowhere(ledger).await;
    run(ledger, removal("a", 1)).await;
    assert_eq!(ids(&the_departure(ledger).await.copies), [newer]);
}

/// If the name shows it, nobody changes it, and once.
pub async fn what_others_removed_has_vanished(ledger: &dyn Ledger) {
    let gone = |name: &'static str, number| async move {
        let path = path(name);
        ledger
            .vanished(&path, version(number).id, audit(name))
            .await
    };
    let put = upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    assert!(!gone("a", 2).await.unwrap());
    assert!(!gone("b", 1).await.unwrap());
    let changes = ledger.record(removal("a", 1)).await.unwrap();
    assert!(!gone("a", 1).await.unwrap());
    let told = crate::ledger::sample::alert("a");
    ledger.fail(&changes, "no", told).await.unwrap();
    assert!(gone("a", 1).await.unwrap());
    assert!(!gone("a", 1).await.unwrap());
    assert_eq!(ledger.current(&path("a")).await.unwrap(), None);
    let departure = the_departure(ledger).await;
    assert_eq!(ids(&departure.copies), [put]);
    assert!(ledger.pending().await.unwrap().is_empty());
}

/// Found out only when it is tried: under the name that it has there it is in line with others.
pub async fn a_name_found_out_late_is_in_line(ledger: &dyn Ledger) {
    let one = upload_and_deliver(ledger, "one", 1).await;
    let two = upload_and_deliver(ledger, "two", 2).await;
    let three = upload_and_deliver(ledger, "three", 3).await;
    let claimed = claim(ledger, 0, 9).await;
    assert_eq!(ids(&claimed), [one, two, three]);
    let retarget = |index: usize, at| ledger.retarget(&claimed[index], "same", minute(at));
    assert!(retarget(1, 1).await.unwrap());
    assert_eq!(delivery(ledger, two).await.target, "same");
    assert!(!retarget(0, 2).await.unwrap());
    assert!(!retarget(2, 2).await.unwrap());
    let waits = delivery(ledger, one).await;
    assert_eq!((waits.state, waits.attempts), (waiting(2), 0));
    let lines = ledger.attempts(one).await.unwrap();
    assert_eq!(lines[0].ended_at, Some(minute(2)));
    assert!(claim(ledger, 3, 9).await.is_empty());
    let running = delivery(ledger, two).await;
    finish(ledger, &running, DeliveryState::Delivered, 4).await;
    // By arrival, one after the other.
    let next = claim(ledger, 5, 9).await;
    assert_eq!(ids(&next), [one]);
    assert!(
        ledger
            .retarget(&claimed[0], "other", minute(5))
            .await
            .is_err()
    );
    assert!(ledger.is_latest(&next[0]).await.unwrap());
    finish(ledger, &next[0], DeliveryState::Delivered, 6).await;
    assert_eq!(ids(&claim(ledger, 7, 9).await), [three]);
}
