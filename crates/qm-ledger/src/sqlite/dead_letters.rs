//! What operators do with deliveries that did not end well: new attempts, or none any more.

use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::DeliveryFilter;
use rusqlite::Connection;

use super::deliveries::list;
use super::fault::Sql;
use super::statements::{Statements as _, micros};
use super::{alerts, audit, line};

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

fn end_alert(connection: &Connection, delivery: &Delivery, at: Timestamp) -> Sql<()> {
    let key = alerts::dead_letter_key(&delivery.id.to_string());
    alerts::resolve(connection, &key, None, at)?;
    Ok(())
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}
