//! How attempts end, and what is listed.

use qm_core::Kind;
use qm_core::alert::AlertState;
use qm_core::delivery::DeliveryState;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{Attempt, DeliveryFilter, Ledger};

use crate::ledger::sample::{
    alert, arrive, claim, claim_and_finish, deliver_by, delivery, destination, finish, ids, minute,
    route, transition, upload_and_deliver, waiting,
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
    let endless = transition(second.state.clone(), "endless");
    let refused = ledger.finish(&second, endless, None, minute(2)).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Bug);
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

/// What runs after a crash, to be asked about and ended with its own fence.
pub async fn interrupted_ones_are_found_and_finished(ledger: &dyn Ledger) {
    assert!(ledger.interrupted().await.unwrap().is_empty());
    let first = upload_and_deliver(ledger, "a", 1).await;
    let second = upload_and_deliver(ledger, "b", 2).await;
    upload_and_deliver(ledger, "c", 3).await;
    let claimed = claim(ledger, 0, 2).await;
    assert_eq!(ids(&claimed), [first, second]);
    let interrupted = ledger.interrupted().await.unwrap();
    assert_eq!(interrupted, claimed);
    finish(ledger, &interrupted[0], DeliveryState::Delivered, 9).await;
    finish(ledger, &interrupted[1], waiting(9), 9).await;
    assert!(ledger.interrupted().await.unwrap().is_empty());
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

/// Every state that occurs, with its earliest time.
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
    let running = DeliveryState::Running {
        lease_until: minute(10),
    };
    let expect = [(DeliveryState::Delivered, 1), (running, 1), (waiting(0), 3)];
    assert_eq!(counts, expect);
}
