//! Deliveries that operators give up.

use qm_core::alert::{AlertState, dead_letter};
use qm_core::audit::AuditRecord;
use qm_core::delivery::DeliveryState;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    audit, claim, claim_and_finish, delivery, finish, ids, minute, notifier, transition,
    upload_and_deliver, version, waiting,
};

fn record() -> AuditRecord {
    audit("given up")
}

async fn cancel(ledger: &dyn Ledger, filter: DeliveryFilter) -> Vec<DeliveryId> {
    ledger.cancel(filter, record(), minute(30)).await.unwrap()
}

/// Waiting and dead ones, with their alerts and an audit record; no others. Nothing brings them
/// back, and nothing needs their bytes.
pub async fn open_ones_are_given_up(ledger: &dyn Ledger) {
    let dead = upload_and_deliver(ledger, "dead", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    let told = dead_letter(&claimed, "refused", vec![notifier("sre")], minute(1));
    let ended = transition(DeliveryState::Dead, "refused");
    let finished = ledger.finish(&claimed, ended, Some(told), minute(1));
    finished.await.unwrap();
    let delivered = upload_and_deliver(ledger, "delivered", 2).await;
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let superseded = upload_and_deliver(ledger, "superseded", 3).await;
    claim_and_finish(ledger, DeliveryState::Superseded).await;
    let running = upload_and_deliver(ledger, "running", 4).await;
    let runs = claim(ledger, 1, 1).await.remove(0);
    let waits = upload_and_deliver(ledger, "waiting", 5).await;
    let audited = ledger.audit(99).await.unwrap().len();

    assert_eq!(
        cancel(ledger, DeliveryFilter::default()).await,
        [waits, dead]
    );
    for id in [waits, dead] {
        let cancelled = delivery(ledger, id).await;
        assert_eq!(cancelled.state, DeliveryState::Cancelled);
        assert_eq!(cancelled.updated_at, minute(30));
    }
    let reason = delivery(ledger, dead).await.last_error;
    assert_eq!(reason.as_deref(), Some("refused"));
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts[0].state, AlertState::Resolved);
    assert_eq!(alerts[0].resolved_at, Some(minute(30)));
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 1);
    let records = ledger.audit(99).await.unwrap();
    assert_eq!(records.len(), audited + 1);
    assert_eq!(records[0].1, record());

    for (id, state) in [
        (delivered, DeliveryState::Delivered),
        (superseded, DeliveryState::Superseded),
        (running, runs.state.clone()),
    ] {
        assert_eq!(delivery(ledger, id).await.state, state);
    }
    finish(ledger, &runs, DeliveryState::Delivered, 31).await;
    assert!(claim(ledger, 99, 9).await.is_empty());
    assert!(
        ledger
            .waiting_at(minute(99), None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(ledger.next_ready().await.unwrap(), None);
    assert_eq!(ledger.oldest_open().await.unwrap(), None);
    for number in [1, 5] {
        let is_needed = ledger.is_needed(version(number).id).await;
        assert!(!is_needed.unwrap(), "{number}");
    }
    let redriven = ledger.redrive(DeliveryFilter::default(), record(), minute(40));
    assert!(redriven.await.unwrap().is_empty());
    assert!(cancel(ledger, DeliveryFilter::default()).await.is_empty());
}

/// By id and state; the newest when there is a limit. A state that cannot be given up is none.
pub async fn only_what_the_filter_names(ledger: &dyn Ledger) {
    let any = DeliveryFilter::default;
    let in_state = |state| DeliveryFilter {
        state: Some(state),
        ..any()
    };
    let dead = upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    let running = upload_and_deliver(ledger, "b", 2).await;
    assert_eq!(ids(&claim(ledger, 0, 1).await), [running]);
    let one = upload_and_deliver(ledger, "c", 3).await;
    let two = upload_and_deliver(ledger, "d", 4).await;
    let three = upload_and_deliver(ledger, "e", 5).await;
    for state in ["running", "delivered", "superseded", "cancelled"] {
        assert!(cancel(ledger, in_state(state)).await.is_empty(), "{state}");
    }
    let newest = DeliveryFilter { limit: 1, ..any() };
    assert_eq!(cancel(ledger, newest).await, [three]);
    let by_id = DeliveryFilter {
        id: Some(one),
        ..any()
    };
    assert_eq!(cancel(ledger, by_id).await, [one]);
    assert_eq!(cancel(ledger, in_state("dead")).await, [dead]);
    assert_eq!(cancel(ledger, in_state("waiting")).await, [two]);
}

/// What stood behind a cancelled one is claimed next.
pub async fn cancelling_frees_the_line(ledger: &dyn Ledger) {
    let older = upload_and_deliver(ledger, "a", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &claimed, waiting(60), 1).await;
    let newer = upload_and_deliver(ledger, "a", 2).await;
    assert!(claim(ledger, 2, 9).await.is_empty());
    let by_id = DeliveryFilter {
        id: Some(older),
        ..DeliveryFilter::default()
    };
    assert_eq!(cancel(ledger, by_id).await, [older]);
    assert_eq!(ids(&claim(ledger, 3, 9).await), [newer]);
}
