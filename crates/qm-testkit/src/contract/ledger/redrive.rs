//! Dead letters given new attempts.

use qm_core::alert::{AlertState, dead_letter};
use qm_core::audit::{Activity, AuditRecord};
use qm_core::delivery::DeliveryState;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    arrive, audit, claim, claim_and_finish, claim_to, deliver_by, delivery, destination, finish,
    ids, minute, notifier, route, transition, upload_and_deliver, waiting,
};

fn record() -> AuditRecord {
    AuditRecord {
        activity: Activity::Redrive,
        ..audit("all")
    }
}

async fn redrive(ledger: &dyn Ledger, filter: DeliveryFilter) -> Vec<DeliveryId> {
    ledger.redrive(filter, record(), minute(30)).await.unwrap()
}

/// The count begins anew, the attempts' numbers go on, the alert ends without a message.
pub async fn dead_ones_get_new_attempts(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    finish(ledger, &claimed, waiting(1), 0).await;
    let claimed = claim(ledger, 1, 1).await.remove(0);
    let told = dead_letter(&claimed, "refused", vec![notifier("sre")], minute(2));
    let ended = transition(DeliveryState::Dead, "refused");
    let finished = ledger.finish(&claimed, ended, Some(told), minute(2));
    finished.await.unwrap();
    let audited = ledger.audit(99).await.unwrap().len();

    assert_eq!(redrive(ledger, DeliveryFilter::default()).await, [id]);
    let redriven = delivery(ledger, id).await;
    assert_eq!(redriven.state, waiting(30));
    assert_eq!(redriven.attempts, 0);
    assert_eq!(redriven.updated_at, minute(30));
    assert_eq!(redriven.last_error.as_deref(), Some("refused"));
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts[0].state, AlertState::Resolved);
    assert_eq!(alerts[0].resolved_at, Some(minute(30)));
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 1);
    let records = ledger.audit(99).await.unwrap();
    assert_eq!(records.len(), audited + 1);
    assert_eq!(records[0].1, record());

    assert!(claim(ledger, 29, 1).await.is_empty());
    let third = claim(ledger, 30, 1).await.remove(0);
    assert_eq!(third.attempts, 1);
    assert!(third.fence > claimed.fence);
    let attempts = ledger.attempts(id).await.unwrap();
    let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    finish(ledger, &third, DeliveryState::Delivered, 31).await;
    assert!(redrive(ledger, DeliveryFilter::default()).await.is_empty());
    assert_eq!(delivery(ledger, id).await.state, DeliveryState::Delivered);
}

/// By id, route, destination, state; the newest when there is a limit. An older one that is
/// redriven goes before a newer one that waits, and waits for one that runs.
pub async fn only_what_the_filter_names(ledger: &dyn Ledger) {
    let any = DeliveryFilter::default;
    let one = upload_and_deliver(ledger, "a", 1).await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    let two = upload_and_deliver(ledger, "b", 2).await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    let three = arrive(ledger, "c", 3).await;
    let three = deliver_by(ledger, &three, "copy", "archive", "c").await;
    let claimed = claim_to(ledger, "archive", 0, 1).await.remove(0);
    finish(ledger, &claimed, DeliveryState::Dead, 0).await;
    let newer = upload_and_deliver(ledger, "a", 4).await;
    let waits = upload_and_deliver(ledger, "b", 5).await;
    let running = claim(ledger, 0, 1).await.remove(0);
    assert_eq!(running.id, newer);

    let none: [DeliveryFilter; 4] = [
        DeliveryFilter {
            id: Some(newer),
            ..any()
        },
        DeliveryFilter {
            state: Some("waiting"),
            ..any()
        },
        DeliveryFilter {
            route: Some(route("unknown")),
            ..any()
        },
        DeliveryFilter {
            destination: Some(destination("unknown")),
            ..any()
        },
    ];
    for filter in none {
        let words = format!("{filter:?}");
        assert!(redrive(ledger, filter).await.is_empty(), "{words}");
    }
    let newest = DeliveryFilter { limit: 1, ..any() };
    assert_eq!(redrive(ledger, newest).await, [three]);
    let by_id = DeliveryFilter {
        id: Some(one),
        ..any()
    };
    assert_eq!(redrive(ledger, by_id).await, [one]);
    let dead = DeliveryFilter {
        state: Some("dead"),
        ..any()
    };
    assert_eq!(redrive(ledger, dead).await, [two]);

    let claimed = claim(ledger, 30, 9).await;
    assert_eq!(ids(&claimed), [two]);
    finish(ledger, &running, DeliveryState::Delivered, 31).await;
    assert_eq!(ids(&claim(ledger, 31, 9).await), [one]);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 32).await;
    assert_eq!(ids(&claim(ledger, 32, 9).await), [waits]);
}
