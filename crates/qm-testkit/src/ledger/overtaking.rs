//! Newer arrivals of the same source that go to the same target as older deliveries.

use jiff::Timestamp;
use qm_core::alert::dead_letter_key;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::RouteName;

use super::LedgerState;
use super::deliveries::{State, is_same_target};

/// Superseded at a time.
const AT_A_TIME: usize = 256;

pub(super) fn supersede(state: &mut LedgerState, routes: &[RouteName], at: Timestamp) -> u32 {
    let deliveries = state.deliveries.rows.iter().map(|row| &row.delivery);
    let overtaken: Vec<usize> = deliveries
        .enumerate()
        .filter(|(_, delivery)| match delivery.state {
            DeliveryState::Waiting { .. } | DeliveryState::Dead => {
                is_overtaken(&state.deliveries, delivery, routes)
            }
            DeliveryState::Running { .. }
            | DeliveryState::Delivered
            | DeliveryState::Superseded
            | DeliveryState::Cancelled => false,
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

/// True if nothing newer was delivered.
pub(super) fn is_latest(deliveries: &State, delivery: &Delivery) -> bool {
    let mut others = deliveries.rows.iter().map(|row| &row.delivery);
    !others.any(|newer| {
        newer.arrival > delivery.arrival
            && newer.state == DeliveryState::Delivered
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
    })
}

fn is_overtaken(deliveries: &State, delivery: &Delivery, routes: &[RouteName]) -> bool {
    let mut others = deliveries.rows.iter().map(|row| &row.delivery);
    others.any(|newer| {
        newer.arrival > delivery.arrival
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
            && routes.contains(&newer.route)
    })
}
