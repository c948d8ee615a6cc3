//! What operators do with deliveries that did not end well: new attempts, or none any more.

use jiff::Timestamp;
use qm_core::alert::dead_letter_key;
use qm_core::audit::AuditRecord;
use qm_core::delivery::DeliveryState;
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::DeliveryFilter;

use super::LedgerState;
use super::deliveries::Row;

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
        | DeliveryState::Cancelled => false,
    };
    let open = state.deliveries.matching(filter, can_end);
    let cancelled = change(state, &open, at, |row| {
        row.delivery.state = DeliveryState::Cancelled;
    });
    state.audit.append(audit);
    cancelled
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
