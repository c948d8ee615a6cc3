//! What operators do with deliveries that did not end well: new attempts, or none any more.

use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice};
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::DeliveryFilter;
use rusqlite::Connection;

use super::deliveries::list;
use super::fault::Sql;
use super::statements::{Statements as _, micros, only};
use super::{alerts, attempts, audit, line};
use crate::words::purged_subject;

/// Dead ones wait again, in line by their arrival.
pub(super) fn redrive(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let dead = list(connection, filter, Some(&["dead"]))?;
    for delivery in &dead {
        connection.run(
            "UPDATE deliveries SET state = 'waiting', ready_at = ?2, queue = 'ready',
                 finished = NULL, attempts = 0, updated_at = ?2
             WHERE id = ?1",
            (delivery.id.to_string(), micros(at)),
        )?;
        end_alert(connection, delivery, at)?;
    }
    audit::append(connection, record)?;
    Ok(ids(&dead))
}

/// Waiting and dead ones end. What stood behind them moves up.
pub(super) fn cancel(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let open = list(connection, filter, Some(&["waiting", "dead"]))?;
    for delivery in &open {
        connection.run(
            "UPDATE deliveries SET state = 'cancelled', ready_at = NULL, updated_at = ?2
             WHERE id = ?1",
            (delivery.id.to_string(), micros(at)),
        )?;
        line::move_up(connection, delivery.destination.as_str(), &delivery.target)?;
        end_alert(connection, delivery, at)?;
    }
    audit::append(connection, record)?;
    Ok(ids(&open))
}

/// A waiting one becomes a dead letter. What stood behind it moves up.
pub(super) fn expire(
    connection: &Connection,
    delivery: &Delivery,
    note: &str,
    alert: &NewAlert,
    at: Timestamp,
) -> Sql<()> {
    let number: Option<i64> = connection.first(
        "UPDATE deliveries SET state = 'dead', ready_at = NULL, last_error = ?3, updated_at = ?4
         WHERE id = ?1 AND fence = ?2 AND state = 'waiting' RETURNING number",
        (delivery.id.to_string(), delivery.fence, note, micros(at)),
        only::value,
    )?;
    let Some(number) = number else {
        return Err(attempts::lost(connection, delivery)?.into());
    };
    attempts::note(connection, number, note, at)?;
    line::move_up(connection, delivery.destination.as_str(), &delivery.target)?;
    alerts::raise(connection, alert)?;
    Ok(())
}

/// Dead ones end for good; each of them is a record of its own.
pub(super) fn purge(
    connection: &Connection,
    filter: &DeliveryFilter,
    record: &AuditRecord,
    notice: Option<&Notice>,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let dead = list(connection, filter, Some(&["dead"]))?;
    for delivery in &dead {
        connection.run(
            "UPDATE deliveries SET state = 'purged', updated_at = ?2 WHERE id = ?1",
            (delivery.id.to_string(), micros(at)),
        )?;
        end_alert(connection, delivery, at)?;
        let record = AuditRecord {
            subject: purged_subject(delivery),
            ..record.clone()
        };
        audit::append(connection, &record)?;
    }
    if let Some(notice) = notice.filter(|_| !dead.is_empty()) {
        alerts::notice(connection, notice, at)?;
    }
    Ok(ids(&dead))
}

fn end_alert(connection: &Connection, delivery: &Delivery, at: Timestamp) -> Sql<()> {
    let key = alerts::dead_letter_key(&delivery.id.to_string());
    alerts::resolve(connection, &key, None, at)?;
    Ok(())
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}
