//! How attempts end, and what is listed.

use qm_core::Kind;
use qm_core::alarm::Metric;
use qm_core::alert::AlertState;
use qm_core::delivery::{DeliveryState, Transition};
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{Attempt, DeliveryFilter, Ledger};

use crate::ledger::sample::{
    REVISION, alert, arrive, audit, claim, claim_and_finish, deliver_by, delivery, destination,
    finish, ids, minute, new_delivery, route, running, transition, upload_and_deliver, waiting,
};

/// New state, note and alert together; the reason of a failure is kept with the delivery.
pub async fn an_attempt_ends_in_one_transaction(ledger: &dyn Ledger) {
    let table = [
        (waiting(9), Some("no route to host"), None),
        (DeliveryState::Dead, Some("refused"), Some("delivery:1")),
        (
            DeliveryState::Superseded,
            Some("a newer one was first"),
            None,
        ),
        (DeliveryState::Delivered, None, None),
    ];
    for (number, (state, last_error, key)) in (1..).zip(table) {
        let name = format!("file-{number}");
        let id = upload_and_deliver(ledger, &name, number).await;
        let claimed = claim(ledger, 0, 9).await;
        assert_eq!(ids(&claimed), [id]);
        let note = last_error.unwrap_or("delivered");
        let ended = transition(state.clone(), note);
        let finished = ledger.finish(&claimed[0], ended, key.map(alert), minute(4));
        finished.await.unwrap();
        let found = delivery(ledger, id).await;
        assert_eq!(found.state, state);
        assert_eq!(found.last_error.as_deref(), last_error);
        assert_eq!(found.updated_at, minute(4));
        assert_eq!((found.attempts, found.fence), (1, claimed[0].fence));
        let expect = Attempt {
            number: 1,
            began_at: minute(0),
            ended_at: Some(minute(4)),
            note: Some(note.to_owned()),
        };
        assert_eq!(ledger.attempts(id).await.unwrap(), [expect]);
    }
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].key, "delivery:1");
    assert_eq!(alerts[0].state, AlertState::Firing);
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 2);
}

/// Who finished, was retried or never claimed has no say any more; nothing changes.
pub async fn a_lost_lease_is_a_conflict(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a", 1).await;
    let unclaimed = delivery(ledger, id).await;
    let first = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &first, waiting(1), 0).await;
    let second = claim(ledger, 1, 1).await.remove(0);
    assert_eq!(second.attempts, 2);
    assert!(second.fence > first.fence);
    for lost in [&unclaimed, &first] {
        let ended = transition(DeliveryState::Dead, "too late");
        let refused = ledger.finish(lost, ended, Some(alert("lost")), minute(2));
        assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    }
    assert_eq!(delivery(ledger, id).await, second);
    for state in [second.state.clone(), DeliveryState::Cancelled] {
        let endless = transition(state, "endless");
        let refused = ledger.finish(&second, endless, None, minute(2)).await;
        assert_eq!(refused.unwrap_err().kind(), Kind::Bug);
    }
    finish(ledger, &second, DeliveryState::Delivered, 3).await;
    let again = transition(DeliveryState::Delivered, "again");
    let refused = ledger.finish(&second, again, Some(alert("lost")), minute(4));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    assert!(ledger.alerts(9).await.unwrap().is_empty());
    let numbers: Vec<u32> = ledger
        .attempts(id)
        .await
        .unwrap()
        .iter()
        .map(|a| a.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
    let mut unknown = second;
    unknown.id = DeliveryId::derive(
        unknown.version.id,
        &route("unknown"),
        &destination("unknown"),
    );
    let ended = transition(DeliveryState::Delivered, "who?");
    let refused = ledger.finish(&unknown, ended, None, minute(4)).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
}

/// What this run does not hold is its own, under a new fence: the same attempt goes on, and whoever
/// began it has no say any more.
pub async fn interrupted_ones_are_taken_over(ledger: &dyn Ledger) {
    let interrupted =
        |held: Vec<DeliveryId>| async move { ledger.interrupted(&held, minute(5)).await.unwrap() };
    assert!(interrupted(vec![]).await.is_empty());
    let first = upload_and_deliver(ledger, "a", 1).await;
    let second = upload_and_deliver(ledger, "b", 2).await;
    let third = upload_and_deliver(ledger, "c", 3).await;
    upload_and_deliver(ledger, "d", 4).await;
    let claimed = claim(ledger, 0, 3).await;
    assert_eq!(ids(&claimed), [first, second, third]);
    assert!(interrupted(vec![third, first, second]).await.is_empty());
    let taken = interrupted(vec![second]).await;
    assert_eq!(ids(&taken), [first, third]);
    for (before, taken) in [(&claimed[0], &taken[0]), (&claimed[2], &taken[1])] {
        assert!(taken.fence > before.fence);
        assert_eq!((taken.attempts, &taken.state), (1, &running()));
        assert_eq!(taken.updated_at, minute(5));
        assert_eq!(delivery(ledger, taken.id).await, *taken);
        assert!(!ledger.is_latest(before).await.unwrap());
        assert!(ledger.is_latest(taken).await.unwrap());
        let late = transition(DeliveryState::Delivered, "late");
        let refused = ledger.finish(before, late, None, minute(6)).await;
        assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    }
    finish(ledger, &claimed[1], DeliveryState::Delivered, 6).await;
    finish(ledger, &taken[0], DeliveryState::Delivered, 9).await;
    let attempt = |number, began_at, ended_at| Attempt {
        number,
        began_at: minute(began_at),
        ended_at: Some(minute(ended_at)),
        note: Some("note".to_owned()),
    };
    assert_eq!(ledger.attempts(first).await.unwrap(), [attempt(1, 0, 9)]);
    // Numbers have no gaps, whatever the fences were.
    finish(ledger, &taken[1], waiting(9), 9).await;
    let again = claim(ledger, 9, 9).await;
    finish(ledger, &again[0], DeliveryState::Delivered, 10).await;
    let attempts = ledger.attempts(third).await.unwrap();
    assert_eq!(attempts, [attempt(1, 0, 9), attempt(2, 9, 10)]);
    assert_eq!(ids(&interrupted(vec![]).await), ids(&again[1..]));
}

/// Once nobody knew whether the destination got it, it stays so.
pub async fn a_possible_duplicate_is_remembered(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a", 1).await;
    let mut claimed = claim(ledger, 0, 1).await.remove(0);
    assert!(!claimed.possible_duplicate);
    for (possible_duplicate, expect) in [(false, false), (true, true), (false, true)] {
        let ended = Transition {
            possible_duplicate,
            ..transition(waiting(0), "no answer")
        };
        let finished = ledger.finish(&claimed, ended, None, minute(0));
        finished.await.unwrap();
        assert_eq!(delivery(ledger, id).await.possible_duplicate, expect);
        claimed = claim(ledger, 0, 1).await.remove(0);
        assert_eq!(claimed.possible_duplicate, expect);
    }
    finish(ledger, &claimed, DeliveryState::Delivered, 1).await;
    assert!(delivery(ledger, id).await.possible_duplicate);
}

/// Its line is there, but it is no attempt that is used up, and none that failed.
pub async fn what_is_put_back_does_not_count(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a", 1).await;
    for at in 0..3 {
        let claimed = claim(ledger, at, 1).await.remove(0);
        assert_eq!((claimed.id, claimed.attempts), (id, 1));
        let back = Transition::put_back(minute(at), "elsewhere".to_owned());
        let finished = ledger.finish(&claimed, back, None, minute(at));
        finished.await.unwrap();
        let found = delivery(ledger, id).await;
        assert_eq!((found.state, found.attempts), (waiting(at), 0));
    }
    let lines = ledger.attempts(id).await.unwrap();
    let is_over =
        |line: &Attempt| line.ended_at.is_some() && line.note.as_deref() == Some("elsewhere");
    assert!(lines.len() == 3 && lines.iter().all(is_over), "{lines:?}");
    let share = destination("share");
    let failures = ledger.measure(&share, Metric::Failures, minute(-1));
    assert_eq!(failures.await.unwrap(), 0);
    let claimed = claim(ledger, 3, 1).await.remove(0);
    finish(ledger, &claimed, DeliveryState::Delivered, 3).await;
    assert_eq!(delivery(ledger, id).await.attempts, 1);
}

/// Waiting or running, by creation; a redriven one has been open since it was created.
pub async fn the_oldest_that_is_open(ledger: &dyn Ledger) {
    let oldest = || async {
        let oldest = ledger.oldest_open().await.unwrap();
        oldest.map(|delivery| delivery.id)
    };
    assert_eq!(oldest().await, None);
    let first = upload_and_deliver(ledger, "a", 1).await;
    let second = upload_and_deliver(ledger, "b", 2).await;
    assert_eq!(oldest().await, Some(first));
    let claimed = claim(ledger, 0, 1).await;
    assert_eq!(oldest().await, Some(first), "it runs");
    finish(ledger, &claimed[0], DeliveryState::Dead, 1).await;
    assert_eq!(oldest().await, Some(second));
    let redriven = ledger.redrive(DeliveryFilter::default(), audit("all"), minute(9));
    assert_eq!(redriven.await.unwrap(), [first]);
    assert_eq!(oldest().await, Some(first));
    for claimed in claim(ledger, 9, 9).await {
        finish(ledger, &claimed, DeliveryState::Delivered, 10).await;
    }
    assert_eq!(oldest().await, None);
}

/// Every condition alone and together; newest first; 0 is no limit.
pub async fn deliveries_are_filtered(ledger: &dyn Ledger) {
    let one = upload_and_deliver(ledger, "a", 1).await;
    let two = upload_and_deliver(ledger, "b", 2).await;
    let three = arrive(ledger, "c", 3).await;
    let three = deliver_by(ledger, &three, "copy", "share", "c").await;
    let four = arrive(ledger, "d", 4).await;
    let four = deliver_by(ledger, &four, "copy", "archive", "d").await;
    assert_eq!(claim_and_finish(ledger, DeliveryState::Dead).await, one);
    let any = DeliveryFilter::default;
    let copy = || Some(route("copy"));
    let share = || Some(destination("share"));
    let table = [
        (any(), vec![four, three, two, one]),
        (DeliveryFilter { limit: 3, ..any() }, vec![four, three, two]),
        (
            DeliveryFilter {
                id: Some(two),
                ..any()
            },
            vec![two],
        ),
        (
            DeliveryFilter {
                state: Some("dead"),
                ..any()
            },
            vec![one],
        ),
        (
            DeliveryFilter {
                state: Some("waiting"),
                ..any()
            },
            vec![four, three, two],
        ),
        (
            DeliveryFilter {
                state: Some("running"),
                ..any()
            },
            vec![],
        ),
        (
            DeliveryFilter {
                route: copy(),
                ..any()
            },
            vec![four, three],
        ),
        (
            DeliveryFilter {
                destination: share(),
                ..any()
            },
            vec![three, two, one],
        ),
        (
            DeliveryFilter {
                route: copy(),
                destination: share(),
                state: Some("waiting"),
                ..any()
            },
            vec![three],
        ),
        (
            DeliveryFilter {
                id: Some(two),
                state: Some("dead"),
                ..any()
            },
            vec![],
        ),
    ];
    for (filter, expect) in table {
        let words = format!("{filter:?}");
        let found = ledger.deliveries(filter).await.unwrap();
        assert_eq!(ids(&found), expect, "{words}");
    }
}

/// Created at that time or later, and before; with everything else that the filter names.
pub async fn deliveries_are_filtered_by_time(ledger: &dyn Ledger) {
    let mut created = Vec::new();
    for (name, number) in [("a", 1), ("b", 2), ("c", 3)] {
        let there = arrive(ledger, name, number).await;
        let new = new_delivery(&there, "products", "share", name);
        created.push(new.id);
        let at = minute(10 * i64::from(number));
        let routed = ledger.route(there.seq, vec![new], REVISION, at);
        assert_eq!(routed.await.unwrap(), 1);
    }
    let filter = |since: Option<i64>, until: Option<i64>| DeliveryFilter {
        since: since.map(minute),
        until: until.map(minute),
        ..DeliveryFilter::default()
    };
    let table: [(Option<i64>, Option<i64>, &[usize]); 7] = [
        (Some(10), None, &[2, 1, 0]),
        (Some(11), None, &[2, 1]),
        (Some(31), None, &[]),
        (None, Some(30), &[1, 0]),
        (None, Some(10), &[]),
        (Some(20), Some(30), &[1]),
        (Some(20), Some(20), &[]),
    ];
    for (since, until, expect) in table {
        let found = ledger.deliveries(filter(since, until)).await.unwrap();
        let expect: Vec<DeliveryId> = expect.iter().map(|at| created[*at]).collect();
        assert_eq!(ids(&found), expect, "{since:?} until {until:?}");
    }
    for claimed in claim(ledger, 60, 9).await {
        finish(ledger, &claimed, DeliveryState::Dead, 60).await;
    }
    let redriven = ledger.redrive(filter(Some(20), Some(30)), audit("b"), minute(61));
    assert_eq!(redriven.await.unwrap(), [created[1]]);
    let cancelled = ledger.cancel(filter(None, Some(30)), audit("a, b"), minute(62));
    assert_eq!(cancelled.await.unwrap(), [created[1], created[0]]);
}

/// Every state that occurs, with the time of the first that waits.
pub async fn deliveries_are_counted(ledger: &dyn Ledger) {
    assert!(ledger.counts().await.unwrap().is_empty());
    for (name, number) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        upload_and_deliver(ledger, name, number).await;
    }
    let claimed = claim(ledger, 0, 3).await;
    finish(ledger, &claimed[0], DeliveryState::Delivered, 1).await;
    finish(ledger, &claimed[1], waiting(30), 1).await;
    let mut counts = ledger.counts().await.unwrap();
    counts.sort_by_key(|(state, _)| state.as_str());
    let expect = [
        (DeliveryState::Delivered, 1),
        (running(), 1),
        (waiting(0), 3),
    ];
    assert_eq!(counts, expect);
}
