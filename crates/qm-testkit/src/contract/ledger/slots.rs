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
    let told_of_other = Some(alert("expectation:weekly:2026-11-20"));
    let recorded = ledger.record_slot(other.clone(), told_of_other).await;
    assert!(recorded.unwrap());

    let again = slot("daily", 20, SlotState::Missed);
    let recorded = ledger.record_slot(again, Some(alert("wrong"))).await;
    assert!(!recorded.unwrap());
    assert!(!ledger.record_slot(missed.clone(), told()).await.unwrap());
    assert_eq!(ledger.alerts(9).await.unwrap().len(), 2);
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 4);
    assert_eq!(
        ledger.missed().await.unwrap(),
        [other.clone(), missed.clone()]
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

/// A file is waited for as long as the alert fires.
pub async fn a_missed_slot_waits_while_its_alert_fires(ledger: &dyn Ledger) {
    for day in [21, 20, 22] {
        let missed = slot("daily", day, SlotState::Missed);
        let told = Some(alert(&format!("expectation:daily:2026-11-{day}")));
        assert!(ledger.record_slot(missed, told).await.unwrap());
    }
    // An alert of another kind, and one of a slot that nobody recorded.
    assert!(ledger.raise(alert("check:expect")).await.unwrap());
    let nobodys = alert("expectation:daily:2026-11-30");
    assert!(ledger.raise(nobodys).await.unwrap());
    let resolved = ledger.resolve("expectation:daily:2026-11-21", None, minute(60));
    assert!(resolved.await.unwrap());
    let waited_for = [20, 22].map(|day| slot("daily", day, SlotState::Missed));
    assert_eq!(ledger.missed().await.unwrap(), waited_for);
    let recorded = ledger.slots(9).await.unwrap();
    assert!(recorded.iter().all(|slot| slot.state == SlotState::Missed));
    assert_eq!(recorded.len(), 3);
}

/// What is not expected any more is not waited for, alerts nobody, and begins anew if it comes
/// back; what is still expected stays as it was.
pub async fn retired_expectations_are_forgotten(ledger: &dyn Ledger) {
    let record = |of: &'static str, state: SlotState| async move {
        let told =
            (state == SlotState::Missed).then(|| alert(&format!("expectation:{of}:2026-11-20")));
        let recorded = ledger.record_slot(slot(of, 20, state), told).await;
        assert!(recorded.unwrap());
    };
    record("daily", SlotState::Missed).await;
    // Names of which one begins like the other.
    record("daily.2", SlotState::Missed).await;
    record("weekly", SlotState::Missed).await;
    record("met", SlotState::Met).await;
    assert!(ledger.raise(alert("check:expect")).await.unwrap());
    let told = ledger.notifications(99).await.unwrap().len();
    for at in [60, 70] {
        ledger.retire(&[name("daily")], minute(at)).await.unwrap();
        let kept = slot("daily", 20, SlotState::Missed);
        assert_eq!(ledger.missed().await.unwrap(), [kept]);
        let alerts = ledger.alerts(99).await.unwrap();
        let mut ended: Vec<(&str, _)> = alerts
            .iter()
            .filter(|alert| alert.state == AlertState::Resolved)
            .map(|alert| (alert.key.as_str(), alert.resolved_at))
            .collect();
        ended.sort_unstable();
        let expect = [
            "expectation:daily.2:2026-11-20",
            "expectation:weekly:2026-11-20",
        ];
        assert_eq!(ended, expect.map(|key| (key, Some(minute(60)))));
    }
    assert_eq!(ledger.notifications(99).await.unwrap().len(), told);
    assert_eq!(ledger.slots(99).await.unwrap().len(), 4);
    for (of, expect) in [("daily", 30), ("daily.2", 99), ("weekly", 99), ("met", 99)] {
        let until = ledger.evaluated_until(&name(of), minute(99)).await;
        assert_eq!(until.unwrap(), minute(expect), "{of}");
    }
    ledger.retire(&[], minute(100)).await.unwrap();
    assert!(ledger.missed().await.unwrap().is_empty());
}
