//! Raw events: recorded once, read until they are done or dead.

use qm_core::Kind;
use qm_core::alert::AlertState;
use qm_core::id::BucketName;
use qm_core::ports::ledger::{EventState, InboxRow, Ledger, RawEvent};
use std::collections::BTreeMap;

use crate::ledger::sample::{Random, alert, audit, bucket, minute};

fn event(id: &str, at: i64) -> RawEvent {
    RawEvent {
        bucket: bucket(),
        id: id.to_owned(),
        body: format!("{{\"of\": \"{id}\"}}"),
        received_at: minute(at),
    }
}

async fn receive(ledger: &dyn Ledger, events: Vec<RawEvent>) -> u32 {
    ledger.receive(events).await.unwrap()
}

async fn due(ledger: &dyn Ledger, at: i64) -> Vec<InboxRow> {
    ledger.due_events(minute(at), 99).await.unwrap()
}

fn names(rows: &[InboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.event.id.as_str()).collect()
}

/// One attempt without an alert.
async fn read(ledger: &dyn Ledger, id: i64, state: EventState) {
    let error = match &state {
        EventState::Done(_) => None,
        EventState::Waiting(_) | EventState::Dead(_) => Some("unreadable".to_owned()),
    };
    let read = ledger.event_read(id, state, error, None, minute(9));
    read.await.unwrap();
}

fn done() -> EventState {
    EventState::Done("ours".to_owned())
}

fn dead() -> EventState {
    EventState::Dead("no JSON".to_owned())
}

/// However often it is repeated, in whatever company; the first text counts.
pub async fn an_event_is_received_once(ledger: &dyn Ledger) {
    assert_eq!(receive(ledger, vec![]).await, 0);
    let elsewhere = RawEvent {
        bucket: BucketName::parse("elsewhere").unwrap(),
        ..event("a", 2)
    };
    let several = vec![
        event("a", 1),
        event("b", 1),
        event("a", 5),
        elsewhere.clone(),
    ];
    assert_eq!(receive(ledger, several).await, 3);
    let changed = RawEvent {
        body: "another".to_owned(),
        ..event("a", 7)
    };
    assert_eq!(receive(ledger, vec![changed, event("c", 7)]).await, 1);
    let rows = due(ledger, 2).await;
    assert_eq!(names(&rows), ["a", "b", "a"]);
    let first = InboxRow {
        id: rows[0].id,
        event: event("a", 1),
        state: EventState::Waiting(minute(1)),
        attempts: 0,
        last_error: None,
    };
    assert_eq!(rows[0], first);
    assert_eq!(rows[2].event, elsewhere);
    // What is done or dead is known as well.
    read(ledger, rows[0].id, done()).await;
    read(ledger, rows[1].id, dead()).await;
    assert_eq!(receive(ledger, vec![event("a", 8), event("b", 8)]).await, 0);
    assert_eq!(names(&due(ledger, 99).await), ["a", "c"]);
}

/// The whole batch is refused, so that its source keeps it.
pub async fn what_is_too_long_is_refused(ledger: &dyn Ledger) {
    let long = |bytes: usize| RawEvent {
        body: "x".repeat(bytes),
        ..event("long", 0)
    };
    let too_long = vec![event("a", 0), long(RawEvent::BODY_BYTES_MAX + 1)];
    let refused = ledger.receive(too_long).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Limit);
    assert!(due(ledger, 9).await.is_empty());
    assert_eq!(
        receive(ledger, vec![long(RawEvent::BODY_BYTES_MAX)]).await,
        1
    );
    let rows = due(ledger, 9).await;
    assert_eq!(rows[0].event.body.len(), RawEvent::BODY_BYTES_MAX);
}

/// Oldest first, not before their time, at most as many as asked.
pub async fn events_become_due_in_order(ledger: &dyn Ledger) {
    assert_eq!(ledger.next_event().await.unwrap(), None);
    let events = vec![event("c", 3), event("a", 1), event("b", 2), event("d", 3)];
    receive(ledger, events).await;
    assert_eq!(ledger.next_event().await.unwrap(), Some(minute(1)));
    assert!(due(ledger, 0).await.is_empty());
    assert_eq!(names(&due(ledger, 2).await), ["a", "b"]);
    assert_eq!(names(&due(ledger, 3).await), ["a", "b", "c", "d"]);
    let two = ledger.due_events(minute(3), 2).await.unwrap();
    assert_eq!(names(&two), ["a", "b"]);
    read(ledger, two[0].id, EventState::Waiting(minute(5))).await;
    read(ledger, two[1].id, done()).await;
    assert_eq!(ledger.next_event().await.unwrap(), Some(minute(3)));
    assert_eq!(names(&due(ledger, 4).await), ["c", "d"]);
    assert_eq!(names(&due(ledger, 5).await), ["c", "d", "a"]);
}

/// State, attempts, error and alert in one transaction; only what waits is read.
pub async fn reading_an_event_ends_in_one_state(ledger: &dyn Ledger) {
    receive(ledger, vec![event("a", 1), event("b", 1)]).await;
    let rows = due(ledger, 1).await;
    let (a, b) = (rows[0].id, rows[1].id);
    read(ledger, a, EventState::Waiting(minute(2))).await;
    let waiting = due(ledger, 2).await.pop().unwrap();
    assert_eq!(waiting.state, EventState::Waiting(minute(2)));
    assert_eq!(waiting.attempts, 1);
    assert_eq!(waiting.last_error.as_deref(), Some("unreadable"));
    let told = ledger.event_read(
        a,
        dead(),
        Some("no".to_owned()),
        Some(alert("inbox")),
        minute(2),
    );
    told.await.unwrap();
    read(ledger, b, done()).await;
    let rows = ledger.events(9, None).await.unwrap();
    assert_eq!(names(&rows), ["b", "a"]);
    assert_eq!((&rows[0].state, rows[0].attempts), (&done(), 1));
    assert_eq!(rows[0].last_error, None);
    assert_eq!((&rows[1].state, rows[1].attempts), (&dead(), 2));
    assert_eq!(rows[1].last_error.as_deref(), Some("no"));
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (alerts[0].key.as_str(), alerts[0].state),
        ("inbox", AlertState::Firing)
    );

    for id in [a, b] {
        let again = ledger.event_read(id, done(), None, Some(alert("late")), minute(3));
        assert_eq!(again.await.unwrap_err().kind(), Kind::Conflict);
    }
    let unknown = ledger.event_read(b + 1, done(), None, Some(alert("late")), minute(3));
    assert_eq!(unknown.await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(ledger.alerts(9).await.unwrap().len(), 1);
    assert_eq!(ledger.events(9, None).await.unwrap(), rows);
    assert_eq!(ledger.next_event().await.unwrap(), None);
}

/// Newest first; the dead, the others, or all.
pub async fn events_are_listed(ledger: &dyn Ledger) {
    let events = ["a", "b", "c", "d", "e"].map(|id| event(id, 1));
    receive(ledger, events.to_vec()).await;
    for row in due(ledger, 1).await {
        match row.event.id.as_str() {
            "b" | "d" => read(ledger, row.id, dead()).await,
            "c" => read(ledger, row.id, done()).await,
            _ => {}
        }
    }
    let table: [(Option<bool>, u32, &[&str]); 5] = [
        (None, 9, &["e", "d", "c", "b", "a"]),
        (None, 2, &["e", "d"]),
        (Some(true), 9, &["d", "b"]),
        (Some(true), 1, &["d"]),
        (Some(false), 9, &["e", "c", "a"]),
    ];
    for (is_dead, limit, expect) in table {
        let rows = ledger.events(limit, is_dead).await.unwrap();
        assert_eq!(names(&rows), expect, "{is_dead:?}");
    }
}

/// Dead ones wait again with attempts of their own; whatever was done stays done.
pub async fn dead_events_are_redriven(ledger: &dyn Ledger) {
    let events = ["a", "b", "c", "d"].map(|id| event(id, 1));
    receive(ledger, events.to_vec()).await;
    let rows = due(ledger, 1).await;
    for row in &rows[..3] {
        read(ledger, row.id, dead()).await;
    }
    read(ledger, rows[3].id, done()).await;
    let redrive = |id: Option<i64>, at: i64| ledger.redrive_events(id, audit("inbox"), minute(at));
    assert_eq!(redrive(Some(rows[1].id), 5).await.unwrap(), 1);
    assert_eq!(redrive(Some(rows[1].id), 5).await.unwrap(), 0);
    assert_eq!(redrive(Some(rows[3].id), 5).await.unwrap(), 0);
    assert!(due(ledger, 4).await.is_empty());
    let again = due(ledger, 5).await;
    assert_eq!(names(&again), ["b"]);
    assert_eq!(again[0].state, EventState::Waiting(minute(5)));
    assert_eq!(again[0].attempts, 0);
    assert_eq!(redrive(None, 6).await.unwrap(), 2);
    assert_eq!(names(&due(ledger, 6).await), ["b", "a", "c"]);
    assert_eq!(ledger.audit(9).await.unwrap().len(), 4);
}

/// Only what is done and older, at most as many as asked; then its id is news again.
pub async fn done_events_are_forgotten(ledger: &dyn Ledger) {
    let events = (0..6).map(|at| event(&at.to_string(), at));
    receive(ledger, events.collect()).await;
    for row in due(ledger, 9).await {
        match row.event.id.as_str() {
            "1" => read(ledger, row.id, dead()).await,
            "2" => {}
            _ => read(ledger, row.id, done()).await,
        }
    }
    assert_eq!(ledger.forget_events(minute(0), 9).await.unwrap(), 0);
    assert_eq!(ledger.forget_events(minute(5), 2).await.unwrap(), 2);
    assert_eq!(ledger.forget_events(minute(5), 2).await.unwrap(), 1);
    assert_eq!(ledger.forget_events(minute(5), 2).await.unwrap(), 0);
    let left = ledger.events(9, None).await.unwrap();
    assert_eq!(names(&left), ["5", "2", "1"]);
    let again = ["0", "1", "2", "5"].map(|id| event(id, 8));
    assert_eq!(receive(ledger, again.to_vec()).await, 1);
    let newest = ledger.events(1, None).await.unwrap();
    assert_eq!(names(&newest), ["0"]);
    assert!(newest[0].id > left[0].id, "a number is never given twice");
}

/// Random deliveries of the same messages, random outcomes: each is done or dead in the end, once,
/// with as many attempts as were made since it last became one to try.
pub async fn every_event_comes_to_an_end(ledger: &dyn Ledger) {
    let mut random = Random::new(7);
    let mut attempts: BTreeMap<i64, u32> = BTreeMap::new();
    let mut known = 0;
    let mut at = 0;
    while at < 200 || ledger.next_event().await.unwrap().is_some() {
        at += 1;
        if at < 200 {
            let id = random.below(40).to_string();
            known += receive(ledger, vec![event(&id, at)]).await;
        }
        let limit = 1 + u32::try_from(random.below(3)).unwrap();
        for row in ledger.due_events(minute(at), limit).await.unwrap() {
            let made = attempts.entry(row.id).or_default();
            assert_eq!(row.attempts, *made, "{row:?}");
            *made += 1;
            let later = minute(at + 1 + i64::try_from(random.below(5)).unwrap());
            let state = match (*made, random.below(3)) {
                (_, 0) => done(),
                (3.., _) => dead(),
                (_, _) => EventState::Waiting(later),
            };
            read(ledger, row.id, state).await;
        }
        if random.below(20) == 0 && at < 200 {
            let dead = ledger.events(999, Some(true)).await.unwrap();
            let count = ledger.redrive_events(None, audit("inbox"), minute(at));
            assert_eq!(count.await.unwrap() as usize, dead.len());
            attempts.extend(dead.iter().map(|row| (row.id, 0)));
        }
        assert!(at < 2_000, "it never ends");
    }
    let rows = ledger.events(999, None).await.unwrap();
    assert_eq!(rows.len(), known as usize);
    assert!(known > 30);
    for row in rows {
        assert!(!matches!(row.state, EventState::Waiting(_)), "{row:?}");
        assert_eq!(row.attempts, attempts[&row.id], "{row:?}");
    }
}
