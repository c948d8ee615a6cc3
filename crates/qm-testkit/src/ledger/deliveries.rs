//! Deliveries and their attempts.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, dead_letter_key};
use qm_core::arrival::Arrival;
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState, NewDelivery, Transition};
use qm_core::id::{DeliveryId, RevisionNumber, RouteName, VersionId};
use qm_core::ports::ledger::{Attempt, Claim, Deliveries, DeliveryFilter};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::{LedgerState, MemoryLedger, overtaking};

#[derive(Clone, Default)]
pub(super) struct State {
    /// In order of creation.
    pub(super) rows: Vec<Delivery>,
    attempts: BTreeMap<DeliveryId, Vec<Attempt>>,
}

impl State {
    /// True while a delivery of the version may still read its bytes.
    pub(super) fn is_open(&self, version: VersionId) -> bool {
        self.rows.iter().any(|delivery| {
            delivery.version.id == version
                && match delivery.state {
                    DeliveryState::Waiting { .. }
                    | DeliveryState::Running { .. }
                    | DeliveryState::Dead => true,
                    DeliveryState::Delivered | DeliveryState::Superseded => false,
                }
        })
    }

    /// Creates those of routes that have not fired for this version; returns how many.
    pub(super) fn create(
        &mut self,
        arrival: &Arrival,
        deliveries: Vec<NewDelivery>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> u32 {
        let version = arrival.version.id;
        let of_version = self.rows.iter().filter(|d| d.version.id == version);
        let fired: Vec<RouteName> = of_version.map(|d| d.route.clone()).collect();
        let mut count = 0;
        for new in deliveries {
            if fired.contains(&new.route) || self.rows.iter().any(|d| d.id == new.id) {
                continue;
            }
            self.rows.push(Delivery {
                id: new.id,
                arrival: arrival.seq,
                source: arrival.path.clone(),
                version: arrival.version.clone(),
                route: new.route,
                destination: new.destination,
                target: new.target,
                state: DeliveryState::Waiting { ready_at: at },
                attempts: 0,
                fence: 0,
                last_error: None,
                revision,
                created_at: at,
                updated_at: at,
            });
            count += 1;
        }
        count
    }

    fn claim(&mut self, claim: &Claim) -> Vec<Delivery> {
        let mut order: Vec<usize> = (0..self.rows.len())
            .filter(|index| {
                let delivery = &self.rows[*index];
                delivery.destination == claim.destination
                    && ready_at(delivery).is_some_and(|ready_at| ready_at <= claim.now)
            })
            .collect();
        order.sort_by_key(|index| (self.rows[*index].arrival, *index));
        let mut claimed = Vec::new();
        for index in order {
            if claimed.len() >= usize::try_from(claim.limit).unwrap_or(usize::MAX) {
                break;
            }
            if !self.is_blocked(index) {
                claimed.push(self.begin_attempt(index, claim));
            }
        }
        claimed
    }

    /// True if another delivery of the same ordering key runs, or waits and is older.
    fn is_blocked(&self, index: usize) -> bool {
        let delivery = &self.rows[index];
        let mut others = self.rows.iter().enumerate();
        others.any(|(at, other)| {
            at != index
                && is_same_target(delivery, other)
                && match other.state {
                    DeliveryState::Running { .. } => true,
                    DeliveryState::Waiting { .. } => {
                        (other.arrival, at) < (delivery.arrival, index)
                    }
                    DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Superseded => {
                        false
                    }
                }
        })
    }

    fn begin_attempt(&mut self, index: usize, claim: &Claim) -> Delivery {
        let delivery = &mut self.rows[index];
        delivery.state = DeliveryState::Running {
            lease_until: claim.lease_until,
        };
        delivery.attempts += 1;
        delivery.fence += 1;
        delivery.updated_at = claim.now;
        let attempts = self.attempts.entry(delivery.id).or_default();
        attempts.push(Attempt {
            number: u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX),
            began_at: claim.now,
            ended_at: None,
            note: None,
        });
        delivery.clone()
    }

    pub(super) fn find(&self, id: DeliveryId) -> Option<&Delivery> {
        self.rows.iter().find(|delivery| delivery.id == id)
    }

    /// Newest first.
    fn matching(&self, filter: &DeliveryFilter) -> Vec<usize> {
        let limit = match filter.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let newest_first = (0..self.rows.len()).rev();
        newest_first
            .filter(|index| matches(filter, &self.rows[*index]))
            .take(limit)
            .collect()
    }
}

fn matches(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.id.is_none_or(|id| id == delivery.id)
        && filter
            .state
            .is_none_or(|state| state == delivery.state.as_str())
        && filter.route.as_ref().is_none_or(|r| *r == delivery.route)
        && filter
            .destination
            .as_ref()
            .is_none_or(|d| *d == delivery.destination)
}

pub(super) fn is_same_target(one: &Delivery, other: &Delivery) -> bool {
    one.destination == other.destination && one.target == other.target
}

fn ready_at(delivery: &Delivery) -> Option<Timestamp> {
    match delivery.state {
        DeliveryState::Waiting { ready_at } => Some(ready_at),
        DeliveryState::Running { .. }
        | DeliveryState::Delivered
        | DeliveryState::Dead
        | DeliveryState::Superseded => None,
    }
}

fn finish(
    state: &mut LedgerState,
    delivery: &Delivery,
    transition: Transition,
    alert: Option<NewAlert>,
    at: Timestamp,
) -> Result<()> {
    let last_error = match transition.state {
        DeliveryState::Running { .. } => {
            return Err(Error::new(Kind::Bug, "an attempt cannot end as running"));
        }
        DeliveryState::Delivered => None,
        DeliveryState::Waiting { .. } | DeliveryState::Dead | DeliveryState::Superseded => {
            Some(transition.note.clone())
        }
    };
    let rows = &mut state.deliveries.rows;
    let row = rows
        .iter_mut()
        .find(|row| row.id == delivery.id)
        .ok_or_else(|| Error::new(Kind::NotFound, "no such delivery"))?;
    let is_running = matches!(row.state, DeliveryState::Running { .. });
    if row.fence != delivery.fence || !is_running {
        return Err(
            Error::new(Kind::Conflict, "the delivery is not this worker's any more")
                .with("delivery", delivery.id),
        );
    }
    row.state = transition.state;
    row.last_error = last_error;
    row.updated_at = at;
    let attempts = state.deliveries.attempts.get_mut(&delivery.id);
    if let Some(attempt) = attempts.and_then(|attempts| attempts.last_mut()) {
        attempt.ended_at = Some(at);
        attempt.note = Some(transition.note);
    }
    if let Some(alert) = alert {
        state.alerts.raise(alert);
    }
    Ok(())
}

fn redrive(
    state: &mut LedgerState,
    filter: &DeliveryFilter,
    audit: AuditRecord,
    at: Timestamp,
) -> Vec<DeliveryId> {
    let dead = DeliveryFilter {
        limit: 0,
        ..filter.clone()
    };
    let mut redriven = Vec::new();
    for index in state.deliveries.matching(&dead) {
        let delivery = &mut state.deliveries.rows[index];
        if delivery.state != DeliveryState::Dead
            || (filter.limit != 0 && redriven.len() == usize::try_from(filter.limit).unwrap_or(0))
        {
            continue;
        }
        delivery.state = DeliveryState::Waiting { ready_at: at };
        delivery.attempts = 0;
        delivery.updated_at = at;
        redriven.push(delivery.id);
        state.alerts.resolve(&dead_letter_key(delivery), None, at);
    }
    state.audit.append(audit);
    redriven
}

#[async_trait]
impl Deliveries for MemoryLedger {
    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>> {
        self.write_if(
            |state| Ok(state.deliveries.claim(&claim)),
            |claimed| !claimed.is_empty(),
        )
    }

    async fn interrupted(&self) -> Result<Vec<Delivery>> {
        Ok(self.read(|state| {
            let rows = state.deliveries.rows.iter();
            rows.filter(|d| matches!(d.state, DeliveryState::Running { .. }))
                .cloned()
                .collect()
        }))
    }

    async fn finish(
        &self,
        delivery: &Delivery,
        transition: Transition,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()> {
        self.write(|state| finish(state, delivery, transition, alert, at))
    }

    async fn is_latest(&self, delivery: &Delivery) -> Result<bool> {
        Ok(self.read(|state| overtaking::is_latest(&state.deliveries, delivery)))
    }

    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32> {
        self.write_if(
            |state| Ok(overtaking::supersede(state, routes, at)),
            |count| *count > 0,
        )
    }

    async fn next_ready(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|state| {
            let deliveries = &state.deliveries;
            (0..deliveries.rows.len())
                .filter(|index| !deliveries.is_blocked(*index))
                .filter_map(|index| ready_at(&deliveries.rows[index]))
                .min()
        }))
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        Ok(self.read(|state| {
            let matching = state.deliveries.matching(&filter);
            matching
                .into_iter()
                .map(|index| state.deliveries.rows[index].clone())
                .collect()
        }))
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        Ok(self.read(|state| {
            let attempts = state.deliveries.attempts.get(&id);
            attempts.cloned().unwrap_or_default()
        }))
    }

    async fn redrive(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write(|state| Ok(redrive(state, &filter, audit, at)))
    }

    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>> {
        Ok(self.read(|state| {
            let mut counts: Vec<(DeliveryState, u64)> = Vec::new();
            for delivery in &state.deliveries.rows {
                let word = delivery.state.as_str();
                match counts.iter_mut().find(|(state, _)| state.as_str() == word) {
                    None => counts.push((delivery.state.clone(), 1)),
                    Some((earliest, count)) => {
                        *earliest = earlier(earliest, &delivery.state);
                        *count += 1;
                    }
                }
            }
            counts.sort_by_key(|(state, _)| state.as_str());
            counts
        }))
    }
}

/// Of two states with the same word the one whose time comes first.
fn earlier(one: &DeliveryState, other: &DeliveryState) -> DeliveryState {
    let until = |state: &DeliveryState| match *state {
        DeliveryState::Waiting { ready_at } => Some(ready_at),
        DeliveryState::Running { lease_until } => Some(lease_until),
        DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Superseded => None,
    };
    if until(other) < until(one) {
        other.clone()
    } else {
        one.clone()
    }
}
