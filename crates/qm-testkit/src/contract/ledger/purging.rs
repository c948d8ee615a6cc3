//! Dead letters that are purged.

use qm_core::alert::{AlertState, Notice, dead_letter};
use qm_core::audit::{Activity, AuditRecord};
use qm_core::delivery::DeliveryState;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    audit, claim, claim_and_finish, delivery, minute, notifier, text, transition,
    upload_and_deliver, version,
};

fn record() -> AuditRecord {
    AuditRecord {
        activity: Activity::Purge,
        ..audit("dead letters")
    }
}

async fn purge(ledger: &dyn Ledger, filter: DeliveryFilter) -> Vec<DeliveryId> {
    let notice = Notice {
        key: "purged".to_owned(),
        text: text("purged"),
        notifiers: vec![notifier("sre")],
    };
    let purged = ledger.purge(filter, record(), Some(notice), minute(30));
    purged.await.unwrap()
}

/// No redrive brings it back; its alert is over without a message of its own, a record and a
/// message say what happened, and its bytes are needed no more.
pub async fn dead_ones_end_for_good(ledger: &dyn Ledger) {
    assert!(purge(ledger, DeliveryFilter::default()).await.is_empty());
    assert!(ledger.notifications(9).await.unwrap().is_empty());
    let id = upload_and_deliver(ledger, "a", 1).await;
    let claimed = claim(ledger, 0, 1).await.remove(0);
    let told = dead_letter(&claimed, "refused", vec![notifier("sre")], minute(2));
    let ended = transition(DeliveryState::Dead, "refused");
    let finished = ledger.finish(&claimed, ended, Some(told), minute(2));
    finished.await.unwrap();
    let audited = ledger.audit(99).await.unwrap().len();

    assert_eq!(purge(ledger, DeliveryFilter::default()).await, [id]);
    let purged = delivery(ledger, id).await;
    assert_eq!(purged.state, DeliveryState::Purged);
    assert_eq!(purged.updated_at, minute(30));
    assert_eq!(purged.last_error.as_deref(), Some("refused"));
    let alerts = ledger.alerts(9).await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].state, AlertState::Resolved);
    let messages = ledger.notifications(9).await.unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].alert_key, "purged");
    let records = ledger.audit(99).await.unwrap();
    assert_eq!(records.len(), audited + 1);
    assert_eq!(records[0].1.activity, Activity::Purge);
    assert_eq!(
        records[0].1.subject,
        format!("{id} of {}", purged.source),
        "{}",
        version(1).id
    );

    assert!(purge(ledger, DeliveryFilter::default()).await.is_empty());
    let redriven = ledger.redrive(DeliveryFilter::default(), audit("all"), minute(40));
    assert!(redriven.await.unwrap().is_empty());
    assert!(claim(ledger, 99, 9).await.is_empty());
}

/// By age of the last change, id, and whatever else a filter says; only dead ones.
pub async fn only_what_the_filter_names(ledger: &dyn Ledger) {
    let any = DeliveryFilter::default;
    upload_and_deliver(ledger, "waits", 9).await;
    let waits = claim(ledger, 0, 1).await.remove(0);
    let mut dead = Vec::new();
    for number in 1..=3 {
        let id = upload_and_deliver(ledger, &format!("file-{number}"), number).await;
        let claimed = claim(ledger, 0, 1).await.remove(0);
        let ended = transition(DeliveryState::Dead, "refused");
        let at = minute(i64::from(number));
        ledger.finish(&claimed, ended, None, at).await.unwrap();
        dead.push(id);
    }
    let old = |minutes| DeliveryFilter {
        unchanged_since: Some(minute(minutes)),
        ..any()
    };
    assert!(purge(ledger, old(1)).await.is_empty());
    assert_eq!(purge(ledger, old(2)).await, [dead[0]]);
    let one = |id| DeliveryFilter {
        id: Some(id),
        ..any()
    };
    assert!(purge(ledger, one(waits.id)).await.is_empty());
    assert_eq!(purge(ledger, one(dead[2])).await, [dead[2]]);
    assert_eq!(purge(ledger, any()).await, [dead[1]]);
    let listed = ledger.deliveries(DeliveryFilter {
        state: Some("purged"),
        ..any()
    });
    assert_eq!(listed.await.unwrap().len(), 3);
}

/// A purged one is no success: what follows a delivery does not happen, and other deliveries of
/// the file are not held up.
pub async fn purged_is_no_success(ledger: &dyn Ledger) {
    use crate::ledger::sample::{arrive, deliver_new, new_delivery};
    use qm_core::delivery::NewDelivery;

    let arrival = arrive(ledger, "a", 1).await;
    deliver_new(
        ledger,
        &arrival,
        NewDelivery {
            has_after: true,
            ..new_delivery(&arrival, "products", "share", "a")
        },
    )
    .await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    assert_eq!(purge(ledger, DeliveryFilter::default()).await.len(), 1);
    assert!(ledger.finished(9).await.unwrap().is_empty());
}

/// Those that have been dead for long enough; what killed them stays with them until they are
/// forgotten, and a repeated message is still known.
pub async fn dead_events_end_for_good(ledger: &dyn Ledger) {
    use crate::ledger::sample::{alert, bucket};
    use qm_core::alert::dead_event_key;
    use qm_core::ports::ledger::{EventState, RawEvent};

    let event = |id: &str| RawEvent {
        bucket: bucket(),
        id: id.to_owned(),
        body: "{}".to_owned(),
        received_at: minute(0),
    };
    let events = ["old", "new", "waits"].map(event);
    assert_eq!(ledger.receive(events.to_vec()).await.unwrap(), 3);
    let rows = ledger.due_events(minute(0), 9).await.unwrap();
    for (row, at) in rows.iter().zip([1, 5]) {
        let dead = EventState::Dead("no JSON".to_owned());
        let told = Some(alert(&dead_event_key(row.id)));
        let read = ledger.event_read(row.id, dead, None, told, minute(at));
        read.await.unwrap();
    }
    let audited = ledger.audit(99).await.unwrap().len();
    let purge = |before| {
        let notice = Notice {
            key: "purged".to_owned(),
            text: text("purged"),
            notifiers: vec![notifier("sre")],
        };
        ledger.purge_events(minute(before), record(), Some(notice), minute(9))
    };
    assert_eq!(purge(1).await.unwrap(), 0);
    assert_eq!(purge(2).await.unwrap(), 1);
    assert_eq!(purge(2).await.unwrap(), 0);
    let rows = ledger.events(9, None).await.unwrap();
    let states: Vec<&EventState> = rows.iter().rev().map(|row| &row.state).collect();
    assert_eq!(
        states,
        [
            &EventState::Done("purged: no JSON".to_owned()),
            &EventState::Dead("no JSON".to_owned()),
            &EventState::Waiting(minute(0)),
        ]
    );
    assert_eq!(ledger.firing("inbox:").await.unwrap().len(), 1);
    let records = ledger.audit(99).await.unwrap();
    assert_eq!(records.len(), audited + 1);
    let of_alerts = 2 * 2;
    assert_eq!(ledger.notifications(9).await.unwrap().len(), of_alerts + 1);
    assert_eq!(ledger.receive(vec![event("old")]).await.unwrap(), 0);
    let redriven = ledger.redrive_events(None, record(), minute(10));
    assert_eq!(redriven.await.unwrap(), 1);
}

/// It waits no more, and what stood behind it moves up; one that has begun goes on.
pub async fn what_waits_too_long_expires(ledger: &dyn Ledger) {
    use crate::ledger::sample::{alert, arrive, claim, deliver_by, finish, ids, route};
    use qm_core::Kind;

    let mut all = Vec::new();
    for number in 1..=3 {
        let arrival = arrive(ledger, &format!("file-{number}"), number).await;
        all.push(deliver_by(ledger, &arrival, "products", "share", "one table").await);
    }
    let other = arrive(ledger, "other", 9).await;
    deliver_by(ledger, &other, "copy", "share", "other").await;
    let oldest = |limit| async move {
        let found = ledger.oldest_waiting(&route("products"), limit).await;
        found.unwrap()
    };
    assert_eq!(ids(&oldest(9).await), all);
    let begun = claim(ledger, 1, 1).await.remove(0);
    assert_eq!(begun.id, all[0]);
    let waiting = oldest(1).await;
    assert_eq!(ids(&waiting), all[1..2]);
    let expire = |delivery, at| {
        let key = qm_core::alert::dead_letter_key(delivery);
        ledger.expire(delivery, "too old".to_owned(), alert(&key), minute(at))
    };
    expire(&waiting[0], 2).await.unwrap();
    let expired = delivery(ledger, all[1]).await;
    assert_eq!(expired.state, DeliveryState::Dead);
    assert_eq!(expired.last_error.as_deref(), Some("too old"));
    assert_eq!((expired.attempts, expired.updated_at), (0, minute(2)));
    let attempts = ledger.attempts(all[1]).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].note.as_deref(), Some("too old"));
    for gone in [&waiting[0], &begun] {
        let refused = expire(gone, 3).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
    }
    assert_eq!(ledger.firing("delivery:").await.unwrap().len(), 1);
    finish(ledger, &begun, DeliveryState::Delivered, 4).await;
    let next = claim(ledger, 4, 9).await;
    assert!(ids(&next).contains(&all[2]));
    assert!(oldest(9).await.is_empty());
}
