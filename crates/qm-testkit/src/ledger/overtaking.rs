//! Newer arrivals of the same source that go to the same target as older deliveries.

use jiff::Timestamp;
use qm_core::alert::dead_letter_key;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::RouteName;

use super::LedgerState;
use super::deliveries::{State, is_same_target};

pub(super) fn supersede(state: &mut LedgerState, routes: &[RouteName], at: Timestamp) -> u32 {
    let rows = state.deliveries.rows.iter().enumerate();
    let overtaken: Vec<usize> = rows
        .filter(|(_, delivery)| match delivery.state {
            DeliveryState::Waiting { .. } | DeliveryState::Dead => {
                is_overtaken(&state.deliveries, delivery, routes)
            }
            DeliveryState::Running { .. }
            | DeliveryState::Delivered
            | DeliveryState::Superseded => false,
        })
        .map(|(index, _)| index)
        .collect();
    for index in &overtaken {
        let delivery = &mut state.deliveries.rows[*index];
        delivery.state = DeliveryState::Superseded;
        delivery.updated_at = at;
        state.alerts.resolve(&dead_letter_key(delivery), None, at);
    }
    u32::try_from(overtaken.len()).unwrap_or(u32::MAX)
}

/// True if the fence holds and nothing newer was delivered.
pub(super) fn is_latest(deliveries: &State, delivery: &Delivery) -> bool {
    let has_fence = deliveries
        .find(delivery.id)
        .is_some_and(|row| row.fence == delivery.fence);
    let is_behind = deliveries.rows.iter().any(|newer| {
        newer.arrival > delivery.arrival
            && newer.state == DeliveryState::Delivered
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
    });
    has_fence && !is_behind
}

fn is_overtaken(deliveries: &State, delivery: &Delivery, routes: &[RouteName]) -> bool {
    deliveries.rows.iter().any(|newer| {
        newer.arrival > delivery.arrival
            && is_same_target(delivery, newer)
            && newer.source == delivery.source
            && routes.contains(&newer.route)
    })
}
