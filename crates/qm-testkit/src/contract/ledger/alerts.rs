//! Alerts and the messages about them.

use qm_core::Kind;
use qm_core::alert::{Alert, AlertState, NewAlert, Notification, NotificationState};
use qm_core::ports::ledger::Ledger;
use std::time::Duration;

use crate::ledger::sample::{alert, minute, notifier, text};

async fn told(ledger: &dyn Ledger) -> Vec<(String, String)> {
    let messages = ledger.notifications(99).await.unwrap();
    let oldest_first = messages.into_iter().rev();
    oldest_first
        .map(|message| (message.notifier.to_string(), message.text.subject))
        .collect()
}

fn pairs(expect: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(to, subject): &(&str, &str)| ((*to).to_owned(), (*subject).to_owned());
    expect.iter().map(owned).collect()
}

/// One alert a key at a time, one message a notifier; resolved, it may fire anew.
pub async fn an_alert_fires_once_until_it_is_resolved(ledger: &dyn Ledger) {
    assert!(!ledger.resolve("late", None, minute(0)).await.unwrap());
    assert!(ledger.raise(alert("late")).await.unwrap());
    assert!(!ledger.raise(alert("late")).await.unwrap());
    assert!(
        ledger
            .raise(NewAlert {
                notifiers: vec![],
                ..alert("quiet")
            })
            .await
            .unwrap()
    );
    let first = [("sre", "late"), ("desk", "late")];
    assert_eq!(told(ledger).await, pairs(&first));

    let recovered = Some(text("recovered"));
    assert!(
        ledger
            .resolve("late", recovered.clone(), minute(9))
            .await
            .unwrap()
    );
    assert!(!ledger.resolve("late", recovered, minute(9)).await.unwrap());
    let then = [
        ("sre", "late"),
        ("desk", "late"),
        ("sre", "recovered"),
        ("desk", "recovered"),
    ];
    assert_eq!(told(ledger).await, pairs(&then));
    let message = ledger.notifications(1).await.unwrap().remove(0);
    assert_eq!(message.alert_key, "late");
    assert_eq!(message.text, text("recovered"));
    assert_eq!(message.ready_at, minute(9));

    let twice = NewAlert {
        notifiers: vec![notifier("sre"), notifier("sre")],
        ..alert("late")
    };
    assert!(ledger.raise(twice).await.unwrap());
    assert_eq!(told(ledger).await.len(), 5);
    assert!(ledger.resolve("late", None, minute(10)).await.unwrap());
    assert!(
        ledger
            .resolve("quiet", Some(text("quiet again")), minute(10))
            .await
            .unwrap()
    );
    assert_eq!(
        told(ledger).await.len(),
        5,
        "without text or addressee there is no message"
    );
}

/// In order; those that are over are not.
pub async fn firing_ones_are_found_by_their_key(ledger: &dyn Ledger) {
    for key in ["alarm:b:1", "alarm:a:1", "alarms", "delivery:1"] {
        assert!(ledger.raise(alert(key)).await.unwrap());
    }
    let firing = ledger.firing("alarm:").await.unwrap();
    assert_eq!(firing, ["alarm:a:1", "alarm:b:1"]);
    ledger.resolve("alarm:a:1", None, minute(1)).await.unwrap();
    assert_eq!(ledger.firing("alarm:").await.unwrap(), ["alarm:b:1"]);
    assert_eq!(ledger.firing("").await.unwrap().len(), 3);
}

/// Those whose time has come, held for no time.
async fn due_at(ledger: &dyn Ledger, at: i64, limit: u32) -> Vec<Notification> {
    let due = ledger.due_notifications(minute(at), Duration::ZERO, limit);
    due.await.unwrap()
}

/// Whoever is given a message is the only one, until it says what became of it or for as long as
/// it asked for.
pub async fn messages_are_held(ledger: &dyn Ledger) {
    assert!(ledger.raise(alert("late")).await.unwrap());
    let first = held(ledger, 0, TEN, 1).await;
    let second = held(ledger, 1, TEN, 9).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first[0] < second[0]);
    assert!(held(ledger, 9, TEN, 9).await.is_empty());
    let next = ledger.next_notification().await.unwrap();
    assert_eq!(next, Some(minute(10)));
    let failed = Some("no route to host".to_owned());
    let said = ledger.notified(first[0], failed, Some(minute(10)), minute(9));
    said.await.unwrap();
    let again = held(ledger, 10, Duration::ZERO, 9).await;
    assert_eq!(again.first(), first.first(), "as soon as it said");
    assert_eq!(held(ledger, 10, TEN, 1).await, first, "for no time");
    for id in [first[0], second[0]] {
        ledger.notified(id, None, None, minute(12)).await.unwrap();
    }
    assert!(held(ledger, 99, TEN, 9).await.is_empty());
}

/// Of a ledger of one node: its clock is the node's, and a hold ends by it.
pub async fn a_hold_ends_by_the_clock(ledger: &dyn Ledger) {
    assert!(ledger.raise(alert("late")).await.unwrap());
    let first = held(ledger, 0, TEN, 1).await;
    let second = held(ledger, 1, TEN, 9).await;
    assert!(held(ledger, 9, TEN, 9).await.is_empty());
    assert_eq!(held(ledger, 10, TEN, 9).await, first);
    assert_eq!(held(ledger, 11, TEN, 9).await, second);
}

const TEN: Duration = Duration::from_mins(10);

async fn held(ledger: &dyn Ledger, at: i64, hold: Duration, limit: u32) -> Vec<i64> {
    let due = ledger.due_notifications(minute(at), hold, limit);
    due.await
        .unwrap()
        .iter()
        .map(|message| message.id)
        .collect()
}

/// Oldest first, none before its time.
pub async fn messages_become_due_in_order(ledger: &dyn Ledger) {
    assert_eq!(ledger.next_notification().await.unwrap(), None);
    for (key, at) in [("one", 20), ("two", 10), ("three", 30)] {
        let raised = NewAlert {
            at: minute(at),
            notifiers: vec![notifier("sre")],
            ..alert(key)
        };
        assert!(ledger.raise(raised).await.unwrap());
    }
    assert_eq!(ledger.next_notification().await.unwrap(), Some(minute(10)));
    let table: [(i64, u32, &[&str]); 5] = [
        (9, 9, &[]),
        (10, 9, &["two"]),
        (20, 9, &["one", "two"]),
        (30, 2, &["one", "two"]),
        (30, 9, &["one", "two", "three"]),
    ];
    for (at, limit, expect) in table {
        let due = due_at(ledger, at, limit).await;
        let keys: Vec<&str> = due
            .iter()
            .map(|message| message.alert_key.as_str())
            .collect();
        assert_eq!(keys, expect, "at {at}, {limit}");
    }
}

async fn message(ledger: &dyn Ledger, id: i64) -> Notification {
    let messages = ledger.notifications(99).await.unwrap();
    messages.into_iter().find(|m| m.id == id).unwrap()
}

/// Tried again later, dead, or sent.
pub async fn an_attempt_to_send_ends_in_one_state(ledger: &dyn Ledger) {
    assert!(ledger.raise(alert("late")).await.unwrap());
    let due = due_at(ledger, 0, 9).await;
    let (sre, desk) = (due[0].id, due[1].id);
    assert_eq!(due[0].state, NotificationState::Waiting);
    assert_eq!((due[0].attempts, &due[0].last_error), (0, &None));
    let failed = || Some("no route to host".to_owned());

    ledger
        .notified(sre, failed(), Some(minute(5)), minute(1))
        .await
        .unwrap();
    let retried = message(ledger, sre).await;
    assert_eq!(retried.state, NotificationState::Waiting);
    assert_eq!((retried.attempts, retried.ready_at), (1, minute(5)));
    assert_eq!(retried.last_error, failed());
    assert_eq!(due_at(ledger, 4, 9).await.len(), 1);
    ledger.notified(sre, None, None, minute(5)).await.unwrap();
    let sent = message(ledger, sre).await;
    assert_eq!(sent.state, NotificationState::Sent);
    assert_eq!((sent.attempts, &sent.last_error), (2, &None));

    ledger
        .notified(desk, failed(), None, minute(1))
        .await
        .unwrap();
    let dead = message(ledger, desk).await;
    assert_eq!(dead.state, NotificationState::Dead);
    assert_eq!((dead.attempts, dead.last_error), (1, failed()));
    assert!(due_at(ledger, 99, 9).await.is_empty());
    assert_eq!(ledger.next_notification().await.unwrap(), None);

    for id in [sre, desk] {
        let again = ledger.notified(id, None, None, minute(9)).await;
        assert_eq!(again.unwrap_err().kind(), Kind::Conflict);
    }
    let unknown = ledger.notified(desk + 99, None, None, minute(9)).await;
    assert_eq!(unknown.unwrap_err().kind(), Kind::NotFound);
}

/// All of them, with their attempts begun anew; what was sent stays sent.
pub async fn dead_messages_are_sent_again(ledger: &dyn Ledger) {
    assert!(ledger.raise(alert("late")).await.unwrap());
    let due = due_at(ledger, 0, 9).await;
    ledger
        .notified(due[0].id, None, None, minute(0))
        .await
        .unwrap();
    assert_eq!(ledger.resend(minute(30)).await.unwrap(), 0);
    let failed = Some("mailbox full".to_owned());
    ledger
        .notified(due[1].id, failed.clone(), None, minute(0))
        .await
        .unwrap();
    assert_eq!(ledger.resend(minute(30)).await.unwrap(), 1);
    let again = message(ledger, due[1].id).await;
    assert_eq!(again.state, NotificationState::Waiting);
    assert_eq!((again.attempts, again.ready_at), (0, minute(30)));
    assert_eq!(again.last_error, failed);
    assert_eq!(ledger.next_notification().await.unwrap(), Some(minute(30)));
    assert_eq!(ledger.resend(minute(40)).await.unwrap(), 0);
    let sent = message(ledger, due[0].id).await;
    assert_eq!(sent.state, NotificationState::Sent);
}

/// With what was said and when.
pub async fn alerts_are_listed_newest_first(ledger: &dyn Ledger) {
    for key in ["one", "two", "three"] {
        assert!(ledger.raise(alert(key)).await.unwrap());
    }
    assert!(ledger.resolve("two", None, minute(5)).await.unwrap());
    let alerts = ledger.alerts(2).await.unwrap();
    let ids: Vec<i64> = alerts.iter().map(|alert| alert.id).collect();
    let entry = |id, key: &str, state, resolved_at| Alert {
        id,
        key: key.to_owned(),
        state,
        text: text(key),
        raised_at: minute(0),
        resolved_at,
    };
    let expect = [
        entry(ids[0], "three", AlertState::Firing, None),
        entry(ids[1], "two", AlertState::Resolved, Some(minute(5))),
    ];
    assert_eq!(alerts, expect);
    assert!(ids[0] > ids[1]);
    assert_eq!(ledger.notifications(4).await.unwrap().len(), 4);
}
