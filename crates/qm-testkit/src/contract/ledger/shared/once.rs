//! What all nodes see and one of them does.

use qm_core::alert::AlertState;
use qm_core::expectation::{Slot, SlotState};
use qm_core::id::ExpectationName;
use qm_core::ports::ledger::RecordedSlot;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::join;

use super::Pair;
use crate::ledger::sample::{alert, minute};

/// With its alert, whoever comes first.
pub async fn a_slot_is_evaluated_by_one(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let name = ExpectationName::parse("daily").expect("a valid name");
    let (by_first, by_second) = join!(
        first.evaluated_until(&name, minute(5)),
        second.evaluated_until(&name, minute(6))
    );
    assert_eq!(by_first.unwrap(), by_second.unwrap());
    for day in 1..=10 {
        let at = i64::from(day) * 24 * 60;
        let slot = RecordedSlot {
            expectation: name.clone(),
            slot: Slot {
                date: jiff::civil::date(2026, 12, day),
                opens: minute(at - 60),
                due: minute(at),
                cutoff: minute(at + 30),
            },
            state: SlotState::Missed,
            arrival: None,
            evaluated_at: minute(at + 31),
        };
        let told = || Some(alert(&format!("expectation:daily:2026-12-{day:02}")));
        let (by_first, by_second) = join!(
            first.record_slot(slot.clone(), told()),
            second.record_slot(slot.clone(), told())
        );
        assert!(by_first.unwrap() ^ by_second.unwrap());
        let until = first.evaluated_until(&name, minute(0)).await.unwrap();
        assert_eq!(until, minute(at + 30));
    }
    assert_eq!(first.slots(99).await.unwrap().len(), 10);
    assert_eq!(second.alerts(99).await.unwrap().len(), 10);
    assert_eq!(second.notifications(99).await.unwrap().len(), 20);
}

/// For as long as it holds it, by the ledger's clock: a node whose own is an hour ahead must not take
/// what another is just sending. Then it is anybody's.
pub async fn a_message_is_sent_by_one(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    for number in 0..10 {
        assert!(first.raise(alert(&number.to_string())).await.unwrap());
    }
    let long = Duration::from_mins(10);
    let table = [
        (0, Duration::ZERO, 20),
        (0, long, 20),
        (9, long, 0),
        (60, long, 0),
    ];
    for (at, hold, expect) in table {
        let (by_first, by_second) = join!(
            first.due_notifications(minute(at), hold, 99),
            second.due_notifications(minute(at), hold, 99)
        );
        let (by_first, by_second) = (by_first.unwrap(), by_second.unwrap());
        let held = by_first.iter().chain(&by_second);
        let ids: BTreeSet<i64> = held.map(|message| message.id).collect();
        assert_eq!(ids.len(), expect, "at {at}");
        if hold > Duration::ZERO {
            assert_eq!(by_first.len() + by_second.len(), expect, "at {at}");
        }
    }
}

/// Of two that see the same, one raises the alert, and one resolves it.
pub async fn an_alert_is_raised_by_one(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    for number in 0..10 {
        let key = number.to_string();
        let (by_first, by_second) = join!(first.raise(alert(&key)), second.raise(alert(&key)));
        assert!(by_first.unwrap() ^ by_second.unwrap());
        let (by_first, by_second) = join!(
            first.resolve(&key, None, minute(1)),
            second.resolve(&key, None, minute(1))
        );
        assert!(by_first.unwrap() ^ by_second.unwrap());
    }
    let alerts = first.alerts(99).await.unwrap();
    assert_eq!(alerts.len(), 10);
    assert!(alerts.iter().all(|a| a.state == AlertState::Resolved));
    assert_eq!(first.notifications(99).await.unwrap().len(), 20);
}
