//! What is to be done to objects when the deliveries of their version have ended.

use jiff::Timestamp;
use qm_core::Result;
use qm_core::delivery::{DeliveryState, Finished, FinishedWhy};
use qm_core::id::DeliveryId;

use super::deliveries::Row;
use super::{LedgerState, attempts, names};

pub(super) fn finished(state: &LedgerState, limit: u32) -> Vec<Finished> {
    let rows = state.deliveries.rows.iter();
    rows.filter_map(|row| {
        let delivery = &row.delivery;
        Some(Finished {
            delivery: delivery.id,
            route: delivery.route.clone(),
            source: delivery.source.clone(),
            version: delivery.version.clone(),
            arrived_at: delivery.arrived_at,
            why: why(state, row)?,
        })
    })
    .take(usize::try_from(limit).unwrap_or(usize::MAX))
    .collect()
}

fn why(state: &LedgerState, row: &Row) -> Option<FinishedWhy> {
    let is_over = row.has_after
        && row.delivery.state == DeliveryState::Delivered
        && !names::is_needed(state, row.delivery.version.id)
        && !state.deliveries.is_cancelled(row.delivery.version.id);
    row.finished
        .or_else(|| is_over.then_some(FinishedWhy::Delivered))
}

pub(super) fn tidied(
    state: &mut LedgerState,
    delivery: DeliveryId,
    note: &str,
    at: Timestamp,
) -> Result<()> {
    let row = state.deliveries.find_mut(delivery)?.clone();
    let Some(why) = why(state, &row) else {
        return Ok(());
    };
    let row = state.deliveries.find_mut(delivery)?;
    match why {
        FinishedWhy::Delivered => row.has_after = false,
        FinishedWhy::Rejected => row.finished = None,
    }
    row.delivery.updated_at = at;
    attempts::push(&mut state.deliveries, delivery, at, Some(note));
    Ok(())
}
