//! Slots of expectations.

use jiff::civil::date;
use qm_core::Kind;
use qm_core::alert::AlertState;
use qm_core::expectation::{Slot, SlotState};
use qm_core::id::ExpectationName;
use qm_core::ports::ledger::{Ledger, RecordedSlot};

use crate::ledger::sample::{alert, arrive, minute, text};

const DAY: i64 = 24 * 60;

fn name(text: &str) -> ExpectationName {
    ExpectationName::parse(text).expect("a valid name")
}

/// The slot of a day of November 2026.
fn slot(of: &str, day: i8, state: SlotState) -> RecordedSlot {
    let noon = i64::from(day - 20) * DAY;
    RecordedSlot {
        expectation: name(of),
        slot: Slot {
            date: date(2026, 11, day),
            opens: minute(noon - 60),
            due: minute(noon),
            cutoff: minute(noon + 30),
        },
        state,
        arrival: None,
        evaluated_at: minute(noon + 31),
    }
}

/// With its alert, or not at all.
pub async fn a_slot_is_recorded_once(ledger: &dyn Ledger) {
    let there = arrive(ledger, "a", 1).await;
    let met = RecordedSlot {
        arrival: Some(there.seq),
        ..slot("daily", 20, SlotState::Met)
    };
    assert!(ledger.record_slot(met.clone(), None).await.unwrap());
    let missed = slot("daily", 21, SlotState::Missed);
    let told = || Some(alert("expectation:daily:2026-11-21"));
    assert!(ledger.record_slot(missed.clone(), told()).await.unwrap());
    let other = slot("weekly", 20, SlotState::Missed);
    assert!(ledger.record_slot(other.clone(), None).await.unwrap());

    let again = slot("daily", 20, SlotState::Missed);
    let recorded = ledger.record_slot(again, Some(alert("wrong"))).await;
    assert!(!recorded.unwrap());
    assert!(!ledger.record_slot(missed.clone(), told()).await.unwrap());
    assert_eq!(ledger.alerts(9).await.unwrap().len(), 1);
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 2);
    assert_eq!(
        ledger.missed().await.unwrap(),
        [missed.clone(), other.clone()]
    );
    assert_eq!(ledger.slots(9).await.unwrap(), [missed.clone(), other, met]);
    assert_eq!(ledger.slots(1).await.unwrap(), [missed]);
}

/// A new expectation begins now; each slot moves it to its cutoff, never back.
pub async fn evaluation_begins_now_and_moves_on(ledger: &dyn Ledger) {
    let until = |of: &'static str, now: i64| async move {
        let until = ledger.evaluated_until(&name(of), minute(now)).await;
        until.unwrap()
    };
    assert_eq!(until("daily", 5).await, minute(5));
    assert_eq!(until("daily", 99).await, minute(5));
    assert_eq!(until("weekly", 7).await, minute(7));
    let steps = [(21, DAY + 30), (22, 2 * DAY + 30), (20, 2 * DAY + 30)];
    for (day, expect) in steps {
        let slot = slot("daily", day, SlotState::Met);
        assert!(ledger.record_slot(slot, None).await.unwrap());
        assert_eq!(until("daily", 0).await, minute(expect), "after {day}");
    }
    assert_eq!(until("weekly", 99).await, minute(7));
    let unasked = slot("unasked", 20, SlotState::Met);
    assert!(ledger.record_slot(unasked, None).await.unwrap());
    assert_eq!(until("unasked", 99).await, minute(30));
}

/// State, arrival and a message to those who were told, together and once.
pub async fn a_missed_slot_is_met_late(ledger: &dyn Ledger) {
    const KEY: &str = "expectation:daily:2026-11-20";
    let missed = slot("daily", 20, SlotState::Missed);
    let recorded = ledger.record_slot(missed.clone(), Some(alert(KEY))).await;
    assert!(recorded.unwrap());
    let there = arrive(ledger, "a", 1).await;
    for at in [60, 70] {
        let late = ledger.late(&missed, there.seq, KEY, text("recovered"), minute(at));
        late.await.unwrap();
        let expect = RecordedSlot {
            state: SlotState::Late,
            arrival: Some(there.seq),
            ..missed.clone()
        };
        assert_eq!(ledger.slots(9).await.unwrap(), [expect]);
        assert!(ledger.missed().await.unwrap().is_empty());
        let alerts = ledger.alerts(9).await.unwrap();
        assert_eq!(alerts[0].state, AlertState::Resolved);
        assert_eq!(alerts[0].resolved_at, Some(minute(60)));
        let messages = ledger.notifications(9).await.unwrap();
        let subjects: Vec<&str> = messages.iter().map(|m| m.text.subject.as_str()).collect();
        assert_eq!(subjects, ["recovered", "recovered", KEY, KEY]);
    }
    let met = slot("daily", 21, SlotState::Met);
    assert!(ledger.record_slot(met.clone(), None).await.unwrap());
    let refused = ledger.late(&met, there.seq, KEY, text("no"), minute(80));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    let unknown = slot("daily", 22, SlotState::Missed);
    let refused = ledger.late(&unknown, there.seq, KEY, text("no"), minute(80));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::NotFound);
}
