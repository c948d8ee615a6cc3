//! What operators do with deliveries that did not end well: new attempts, or none any more.

use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice, dead_letter_key};
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::DeliveryFilter;
use qm_core::{Error, Kind, Result};

use super::deliveries::Row;
use super::{LedgerState, attempts};

pub(super) fn redrive(
    state: &mut LedgerState,
    filter: &DeliveryFilter,
    audit: AuditRecord,
    at: Timestamp,
) -> Vec<DeliveryId> {
    let is_dead = |state: &DeliveryState| *state == DeliveryState::Dead;
    let dead = state.deliveries.matching(filter, is_dead);
    let redriven = change(state, &dead, at, |row| {
        row.delivery.state = DeliveryState::Waiting { ready_at: at };
        row.delivery.attempts = 0;
        row.finished = None;
    });
    state.audit.append(audit);
    redriven
}

pub(super) fn cancel(
    state: &mut LedgerState,
    filter: &DeliveryFilter,
    audit: AuditRecord,
    at: Timestamp,
) -> Vec<DeliveryId> {
    let can_end = |state: &DeliveryState| match state {
        DeliveryState::Waiting { .. } | DeliveryState::Dead => true,
        DeliveryState::Running { .. }
        | DeliveryState::Delivered
        | DeliveryState::Superseded
        | DeliveryState::Cancelled
        | DeliveryState::Purged => false,
    };
    let open = state.deliveries.matching(filter, can_end);
    let cancelled = change(state, &open, at, |row| {
        row.delivery.state = DeliveryState::Cancelled;
    });
    state.audit.append(audit);
    cancelled
}

pub(super) fn expire(
    state: &mut LedgerState,
    delivery: &Delivery,
    note: &str,
    alert: NewAlert,
    at: Timestamp,
) -> Result<()> {
    let row = state.deliveries.find_mut(delivery.id)?;
    let is_ours = row.delivery.fence == delivery.fence;
    if !is_ours || !matches!(row.delivery.state, DeliveryState::Waiting { .. }) {
        let error = Error::new(Kind::Conflict, "the delivery is not this worker's any more");
        return Err(error.with("delivery", delivery.id));
    }
    row.delivery.state = DeliveryState::Dead;
    row.delivery.last_error = Some(note.to_owned());
    row.delivery.updated_at = at;
    attempts::push(&mut state.deliveries, delivery.id, at, Some(note));
    state.alerts.raise(alert);
    Ok(())
}

pub(super) fn purge(
    state: &mut LedgerState,
    filter: &DeliveryFilter,
    audit: &AuditRecord,
    notice: Option<&Notice>,
    at: Timestamp,
) -> Vec<DeliveryId> {
    let is_dead = |state: &DeliveryState| *state == DeliveryState::Dead;
    let dead = state.deliveries.matching(filter, is_dead);
    let purged = change(state, &dead, at, |row| {
        row.delivery.state = DeliveryState::Purged;
    });
    for index in dead {
        let delivery = &state.deliveries.rows[index].delivery;
        let subject = format!("{} of {}", delivery.id, delivery.source);
        state.audit.append(AuditRecord {
            subject,
            ..audit.clone()
        });
    }
    if let Some(notice) = notice.filter(|_| !purged.is_empty()) {
        state.alerts.notice(notice, at);
    }
    purged
}

/// Changes them and ends their alerts without a message.
fn change(
    state: &mut LedgerState,
    indexes: &[usize],
    at: Timestamp,
    to: impl Fn(&mut Row),
) -> Vec<DeliveryId> {
    let mut changed = Vec::new();
    for index in indexes {
        let row = &mut state.deliveries.rows[*index];
        to(row);
        row.delivery.updated_at = at;
        changed.push(row.delivery.id);
        let key = dead_letter_key(&row.delivery);
        state.alerts.resolve(&key, None, at);
    }
    changed
}
