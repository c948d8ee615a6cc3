//! Newer arrivals of the same source that go to the same target as older deliveries.

use jiff::Timestamp;
use qm_core::alert::dead_letter_key;
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::id::RouteName;

use super::LedgerState;
use super::deliveries::State;

/// Superseded at a time.
const AT_A_TIME: usize = 256;

pub(super) fn supersede(state: &mut LedgerState, routes: &[RouteName], at: Timestamp) -> u32 {
    let rows = state.deliveries.rows.iter().enumerate();
    let overtaken: Vec<usize> = rows
        .filter(|(index, row)| match row.delivery.state {
            DeliveryState::Waiting { .. } | DeliveryState::Dead => {
                is_overtaken(&state.deliveries, *index, routes)
            }
            DeliveryState::Running { .. }
            | DeliveryState::Delivered
            | DeliveryState::Superseded
            | DeliveryState::Cancelled
            | DeliveryState::Purged => false,
        })
        .map(|(index, _)| index)
        .take(AT_A_TIME)
        .collect();
    for index in &overtaken {
        let delivery = &mut state.deliveries.rows[*index].delivery;
        delivery.state = DeliveryState::Superseded;
        delivery.updated_at = at;
        state.alerts.resolve(&dead_letter_key(delivery), None, at);
    }
    u32::try_from(overtaken.len()).unwrap_or(u32::MAX)
}

/// What is to be taken away where something of a newer arrival of the source goes is replaced
/// instead.
pub(super) fn overtake(state: &mut LedgerState, newer: &Delivery, at: Timestamp) {
    let rows = state.deliveries.rows.iter_mut();
    let deliveries = rows.map(|row| &mut row.delivery);
    let overtaken = deliveries.filter(|older| {
        older.effect != Effect::Put
            && older.arrival < newer.arrival
            && matches!(
                older.state,
                DeliveryState::Waiting { .. } | DeliveryState::Dead
            )
            && is_same_target(older, newer)
            && older.source == newer.source
    });
    for older in overtaken {
        older.state = DeliveryState::Superseded;
        older.updated_at = at;
        state.alerts.resolve(&dead_letter_key(older), None, at);
    }
}

/// True if a newer arrival of the source goes there too.
pub(super) fn is_old(deliveries: &State, delivery: &Delivery) -> bool {
    let mut others = deliveries.rows.iter().map(|row| &row.delivery);
    others.any(|newer| {
        newer.arrival > delivery.arrival
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
    })
}

/// True if nothing newer was delivered.
pub(super) fn is_latest(deliveries: &State, delivery: &Delivery) -> bool {
    let mut others = deliveries.rows.iter().map(|row| &row.delivery);
    !others.any(|newer| {
        let is_removed = newer.effect == Effect::Remove { of: delivery.id };
        let is_newer = newer.arrival > delivery.arrival
            && (delivery.effect != Effect::Put || newer.source == delivery.source);
        newer.state == DeliveryState::Delivered
            && is_same_target(delivery, newer)
            && (is_removed || is_newer)
    })
}

/// By something of a newer arrival, unless the one of both that was made later adds.
fn is_overtaken(deliveries: &State, index: usize, routes: &[RouteName]) -> bool {
    let row = &deliveries.rows[index];
    let delivery = &row.delivery;
    let mut others = deliveries.rows.iter().enumerate();
    others.any(|(at, other)| {
        let newer = &other.delivery;
        let adds = if at > index { other.adds } else { row.adds };
        newer.arrival > delivery.arrival
            && !adds
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
            && routes.contains(&newer.route)
    })
}

pub(super) fn is_same_target(one: &Delivery, other: &Delivery) -> bool {
    one.destination == other.destination && one.target == other.target
}
