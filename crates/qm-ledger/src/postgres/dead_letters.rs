//! What operators do with deliveries that did not end well: new attempts, or none any more.

use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice};
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::DeliveryFilter;

use super::connection::Connection;
use super::deliveries::list;
use super::fault::Sql;
use super::line::Keys;
use super::statements::{micros, only, stored_text};
use super::{alerts, attempts, audit, line};
use crate::words::purged_subject;

/// Dead ones wait again, in line by their arrival.
pub(super) async fn redrive(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let mut redriven = Vec::new();
    let dead = list(connection, filter, Some(&["dead"])).await?;
    line::lock_all(connection, &lines(&dead)).await?;
    for delivery in &dead {
        // Somebody else may have been faster.
        let changed = connection
            .run(
                "UPDATE deliveries SET state = 'waiting', ready_at = $2, finished = NULL,
                     attempts = 0, updated_at = $2
                 WHERE id = $1 AND state = 'dead'",
                &[&delivery.id.to_string(), &micros(at)],
            )
            .await?;
        if changed > 0 {
            end_alert(connection, delivery, at).await?;
            redriven.push(delivery.id);
        }
    }
    line::settle_all(connection, &lines(&dead), at).await?;
    audit::append(connection, record).await?;
    Ok(redriven)
}

const CANCEL: &str = "UPDATE deliveries
     SET state = 'cancelled', ready_at = NULL, updated_at = $2
     WHERE id = $1 AND state IN ('waiting', 'dead')";

/// Waiting and dead ones end. What stood behind them moves up.
pub(super) async fn cancel(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let mut cancelled = Vec::new();
    let open = list(connection, filter, Some(&["waiting", "dead"])).await?;
    line::lock_all(connection, &lines(&open)).await?;
    for delivery in &open {
        let ended = connection
            .run(CANCEL, &[&delivery.id.to_string(), &micros(at)])
            .await?;
        if ended > 0 {
            end_alert(connection, delivery, at).await?;
            cancelled.push(delivery.id);
        }
    }
    line::settle_all(connection, &lines(&open), at).await?;
    audit::append(connection, record).await?;
    Ok(cancelled)
}

/// A waiting one becomes a dead letter. What stood behind it moves up.
pub(super) async fn expire(
    connection: &Connection,
    delivery: &Delivery,
    note: &str,
    alert: &NewAlert,
    at: Timestamp,
) -> Sql<()> {
    let note = stored_text(note);
    let (destination, target) = (delivery.destination.as_str(), delivery.target.as_str());
    line::lock(connection, destination, target).await?;
    let number = connection
        .first(
            "UPDATE deliveries SET state = 'dead', ready_at = NULL, last_error = $3,
                 updated_at = $4
             WHERE id = $1 AND fence = $2 AND state = 'waiting' RETURNING number",
            &[
                &delivery.id.to_string(),
                &delivery.fence,
                &note,
                &micros(at),
            ],
            only::value::<i64>,
        )
        .await?;
    let Some(number) = number else {
        return Err(attempts::lost(connection, delivery).await?.into());
    };
    attempts::note(connection, number, &note, at).await?;
    line::settle(connection, destination, target, at).await?;
    alerts::raise(connection, alert).await?;
    Ok(())
}

/// Dead ones end for good; each of them is a record of its own.
pub(super) async fn purge(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    notice: Option<&Notice>,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let mut purged = Vec::new();
    for delivery in list(connection, filter, Some(&["dead"])).await? {
        // Somebody else may have been faster.
        let changed = connection
            .run(
                "UPDATE deliveries SET state = 'purged', updated_at = $2
                 WHERE id = $1 AND state = 'dead'",
                &[&delivery.id.to_string(), &micros(at)],
            )
            .await?;
        if changed > 0 {
            end_alert(connection, &delivery, at).await?;
            let record = AuditRecord {
                subject: purged_subject(&delivery),
                ..record.clone()
            };
            audit::append(connection, &record).await?;
            purged.push(delivery.id);
        }
    }
    if let Some(notice) = notice.filter(|_| !purged.is_empty()) {
        alerts::notice(connection, notice, at).await?;
    }
    Ok(purged)
}

fn lines(deliveries: &[Delivery]) -> Keys<'_> {
    deliveries
        .iter()
        .map(|delivery| (delivery.destination.as_str(), delivery.target.as_str()))
        .collect()
}

async fn end_alert(connection: &Connection, delivery: &Delivery, at: Timestamp) -> Sql<()> {
    let key = alerts::dead_letter_key(&delivery.id.to_string());
    alerts::resolve(connection, &key, None, at).await?;
    Ok(())
}
