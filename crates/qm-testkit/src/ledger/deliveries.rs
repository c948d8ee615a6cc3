//! Deliveries: created, claimed, listed, counted.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice};
use qm_core::arrival::Arrival;
use qm_core::audit::AuditRecord;
use qm_core::delivery::{
    Delivery, DeliveryState, Effect, Finished, FinishedWhy, NewDelivery, Transition,
};
use qm_core::id::{DeliveryId, DestinationName, RevisionNumber, RouteName, VersionId};
use qm_core::ports::ledger::{Attempt, Claim, Deliveries, DeliveryFilter};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::nodes::Run;
use super::{MemoryLedger, attempts, dead_letters, departures, finished, overtaking};

#[derive(Clone, Default)]
pub(super) struct State {
    /// In order of creation.
    pub(super) rows: Vec<Row>,
    pub(super) attempts: BTreeMap<DeliveryId, Vec<Attempt>>,
}

#[derive(Clone)]
pub(super) struct Row {
    pub(super) delivery: Delivery,
    /// Who runs it, or ran it last.
    pub(super) run: Option<Run>,
    pub(super) is_independent: bool,
    pub(super) adds: bool,
    /// Its route does something to the object when it is delivered, and has not done it yet.
    pub(super) has_after: bool,
    pub(super) finished: Option<FinishedWhy>,
    /// What it put somewhere is taken away when this one is delivered.
    pub(super) replaces: Option<DeliveryId>,
}

impl State {
    /// True while a delivery of the version may still read its bytes.
    pub(super) fn is_open(&self, version: VersionId) -> bool {
        let of_version =
            |row: &&Row| row.delivery.version.id == version && row.delivery.effect == Effect::Put;
        let mut rows = self.rows.iter().filter(of_version);
        rows.any(|row| match row.delivery.state {
            DeliveryState::Waiting { .. } | DeliveryState::Running { .. } | DeliveryState::Dead => {
                true
            }
            DeliveryState::Delivered
            | DeliveryState::Superseded
            | DeliveryState::Cancelled
            | DeliveryState::Purged => false,
        })
    }

    /// True if a delivery of the version was cancelled or purged.
    pub(super) fn is_cancelled(&self, version: VersionId) -> bool {
        self.rows.iter().any(|row| {
            let state = &row.delivery.state;
            row.delivery.version.id == version
                && row.delivery.effect == Effect::Put
                && (*state == DeliveryState::Cancelled || *state == DeliveryState::Purged)
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
        let rows = self.rows.iter().map(|row| &row.delivery);
        let fired: Vec<RouteName> = rows
            .filter(|delivery| delivery.version.id == version)
            .map(|delivery| delivery.route.clone())
            .collect();
        let mut count = 0;
        for new in deliveries {
            if !fired.contains(&new.route) {
                count += self.insert(arrival, new, None, revision, at);
            }
        }
        count
    }

    /// Creates one; what `replaces` put somewhere is taken away when it is delivered.
    pub(super) fn insert(
        &mut self,
        arrival: &Arrival,
        new: NewDelivery,
        replaces: Option<DeliveryId>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> u32 {
        if self.find(new.id).is_some() {
            return 0;
        }
        let delivery = Delivery {
            id: new.id,
            arrival: arrival.seq,
            source: arrival.path.clone(),
            version: arrival.version.clone(),
            route: new.route,
            destination: new.destination,
            target: new.target,
            effect: Effect::Put,
            state: DeliveryState::Waiting { ready_at: at },
            attempts: 0,
            possible_duplicate: false,
            fence: 0,
            last_error: None,
            revision,
            arrived_at: arrival.at,
            created_at: at,
            updated_at: at,
        };
        self.rows.push(Row {
            delivery,
            run: None,
            is_independent: new.is_independent,
            adds: new.adds,
            has_after: new.has_after,
            finished: None,
            replaces,
        });
        1
    }

    fn claim(&mut self, claim: &Claim, run: &Run) -> Vec<Delivery> {
        let mut order: Vec<usize> = (0..self.rows.len())
            .filter(|index| {
                let delivery = &self.rows[*index].delivery;
                delivery.destination == claim.destination
                    && delivery
                        .state
                        .ready_at()
                        .is_some_and(|ready_at| ready_at <= claim.now)
            })
            .collect();
        order.sort_by_key(|index| (self.rows[*index].delivery.arrival, *index));
        let mut claimed = Vec::new();
        for index in order {
            if claimed.len() >= usize::try_from(claim.limit).unwrap_or(usize::MAX) {
                break;
            }
            if !self.is_blocked(index) {
                claimed.push(attempts::begin(self, index, run, claim.now));
            }
        }
        claimed
    }

    /// True if another delivery of the same ordering key runs, or waits and is older and this one
    /// cares.
    pub(super) fn is_blocked(&self, index: usize) -> bool {
        let row = &self.rows[index];
        let mut others = self.rows.iter().enumerate();
        others.any(|(at, other)| {
            at != index
                && overtaking::is_same_target(&row.delivery, &other.delivery)
                && match other.delivery.state {
                    DeliveryState::Running { .. } => true,
                    DeliveryState::Waiting { .. } => {
                        let is_older = (other.delivery.arrival, at) < (row.delivery.arrival, index);
                        is_older && !row.is_independent
                    }
                    DeliveryState::Delivered
                    | DeliveryState::Dead
                    | DeliveryState::Superseded
                    | DeliveryState::Cancelled
                    | DeliveryState::Purged => false,
                }
        })
    }

    fn next_ready(&self) -> Option<Timestamp> {
        (0..self.rows.len())
            .filter(|index| !self.is_blocked(*index))
            .filter_map(|index| self.rows[index].delivery.state.ready_at())
            .min()
    }

    fn waiting_at(&self, now: Timestamp) -> Vec<DestinationName> {
        let mut names: Vec<DestinationName> = (0..self.rows.len())
            .filter(|index| !self.is_blocked(*index))
            .map(|index| &self.rows[index].delivery)
            .filter(|delivery| {
                delivery
                    .state
                    .ready_at()
                    .is_some_and(|ready_at| ready_at <= now)
            })
            .map(|delivery| delivery.destination.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn find(&self, id: DeliveryId) -> Option<&Row> {
        self.rows.iter().find(|row| row.delivery.id == id)
    }

    pub(super) fn find_mut(&mut self, id: DeliveryId) -> Result<&mut Row> {
        let mut rows = self.rows.iter_mut();
        rows.find(|row| row.delivery.id == id)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such delivery").with("delivery", id))
    }

    /// Newest first.
    pub(super) fn matching(
        &self,
        filter: &DeliveryFilter,
        also: impl Fn(&DeliveryState) -> bool,
    ) -> Vec<usize> {
        let limit = match filter.limit {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let newest_first = (0..self.rows.len()).rev();
        newest_first
            .filter(|index| {
                let delivery = &self.rows[*index].delivery;
                matches(filter, delivery) && also(&delivery.state)
            })
            .take(limit)
            .collect()
    }

    fn oldest_open(&self) -> Option<&Delivery> {
        let mut deliveries = self.rows.iter().map(|row| &row.delivery);
        deliveries.find(|delivery| match delivery.state {
            DeliveryState::Waiting { .. } | DeliveryState::Running { .. } => true,
            DeliveryState::Delivered
            | DeliveryState::Dead
            | DeliveryState::Superseded
            | DeliveryState::Cancelled
            | DeliveryState::Purged => false,
        })
    }

    fn counts(&self) -> Vec<(DeliveryState, u64)> {
        let mut counts: Vec<(DeliveryState, u64)> = Vec::new();
        for Row { delivery, .. } in &self.rows {
            let word = delivery.state.as_str();
            match counts.iter_mut().find(|(state, _)| state.as_str() == word) {
                None => counts.push((delivery.state.clone(), 1)),
                Some((first, count)) => {
                    *first = first_of(first, &delivery.state);
                    *count += 1;
                }
            }
        }
        counts.sort_by_key(|(state, _)| state.as_str());
        counts
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
        && filter
            .since
            .is_none_or(|since| delivery.created_at >= since)
        && filter.until.is_none_or(|until| delivery.created_at < until)
        && filter
            .unchanged_since
            .is_none_or(|since| delivery.updated_at < since)
}

/// Of two states with the same word the one whose time comes first, or whose node.
fn first_of(one: &DeliveryState, other: &DeliveryState) -> DeliveryState {
    let is_other_first = match (one, other) {
        (
            DeliveryState::Waiting { ready_at },
            DeliveryState::Waiting {
                ready_at: other_ready_at,
            },
        ) => other_ready_at < ready_at,
        (DeliveryState::Running { node }, DeliveryState::Running { node: other_node }) => {
            other_node < node
        }
        (_, _) => false,
    };
    if is_other_first { other } else { one }.clone()
}

#[async_trait]
impl Deliveries for MemoryLedger {
    async fn waiting_at(
        &self,
        now: Timestamp,
        after: Option<&DestinationName>,
        limit: u32,
    ) -> Result<Vec<DestinationName>> {
        let mut names = self.read(|state| state.deliveries.waiting_at(now));
        names.retain(|name| after.is_none_or(|after| name > after));
        names.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(names)
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>> {
        self.check_claim(&claim.destination)?;
        let (run, now) = (self.run(), self.shared.now());
        self.write_if(
            |state| {
                state.nodes.check(&run, now)?;
                let before = state.deliveries.clone();
                let claimed = state.deliveries.claim(&claim, &run);
                state.measured.begun(&before, &claimed, claim.now);
                Ok(claimed)
            },
            |claimed| !claimed.is_empty(),
        )
    }

    async fn interrupted(&self, held: &[DeliveryId], at: Timestamp) -> Result<Vec<Delivery>> {
        let (run, now) = (self.run(), self.shared.now());
        let look = |state: &_| attempts::interrupted(state, &run, held, now);
        if self.read(look).is_empty() {
            return Ok(Vec::new());
        }
        self.write(|state| {
            state.nodes.check(&run, now)?;
            let interrupted = look(state);
            Ok(attempts::take_over(state, &interrupted, &run, at))
        })
    }

    async fn finish(
        &self,
        delivery: &Delivery,
        transition: Transition,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()> {
        let (run, now) = (self.run(), self.shared.now());
        self.write(|state| {
            attempts::check(state, delivery, &run, now)?;
            attempts::finish(state, delivery, transition, alert, at)
        })
    }

    async fn retarget(&self, delivery: &Delivery, target: &str, at: Timestamp) -> Result<bool> {
        let (run, now) = (self.run(), self.shared.now());
        self.write(|state| {
            attempts::check(state, delivery, &run, now)?;
            attempts::retarget(state, delivery, target, at)
        })
    }

    async fn copies(&self, removal: &Delivery) -> Result<Vec<Delivery>> {
        Ok(self.read(|state| departures::copies(state, removal)))
    }

    async fn is_held(&self, delivery: &Delivery) -> Result<bool> {
        let (run, now) = (self.run(), self.shared.now());
        Ok(self.read(|state| attempts::has_fence(state, delivery, &run, now)))
    }

    async fn is_latest(&self, delivery: &Delivery) -> Result<bool> {
        let is_latest = self.read(|state| overtaking::is_latest(&state.deliveries, delivery));
        Ok(is_latest && self.is_held(delivery).await?)
    }

    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32> {
        self.write_if(
            |state| Ok(overtaking::supersede(state, routes, at)),
            |count| *count > 0,
        )
    }

    async fn clock_set_back(&self, now: Timestamp) -> Result<u32> {
        self.write_if(
            |state| {
                let rows = state.deliveries.rows.iter_mut();
                let deliveries = rows.map(|row| &mut row.delivery);
                let ahead =
                    deliveries.filter(|d| d.state.ready_at().is_some() && d.updated_at > now);
                let mut count = 0;
                for delivery in ahead {
                    delivery.state = DeliveryState::Waiting { ready_at: now };
                    delivery.updated_at = now;
                    count += 1;
                }
                Ok(count)
            },
            |count| *count > 0,
        )
    }

    async fn next_ready(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|state| state.deliveries.next_ready()))
    }

    async fn finished(&self, limit: u32) -> Result<Vec<Finished>> {
        Ok(self.read(|state| finished::finished(state, limit)))
    }

    async fn tidied(&self, delivery: DeliveryId, note: &str, at: Timestamp) -> Result<()> {
        self.write(|state| finished::tidied(state, delivery, note, at))
    }

    async fn oldest_open(&self) -> Result<Option<Delivery>> {
        Ok(self.read(|state| state.deliveries.oldest_open().cloned()))
    }

    async fn oldest_waiting(&self, route: &RouteName, limit: u32) -> Result<Vec<Delivery>> {
        Ok(self.read(|state| {
            let deliveries = state.deliveries.rows.iter().map(|row| &row.delivery);
            let mut waiting: Vec<Delivery> = deliveries
                .filter(|delivery| delivery.route == *route && delivery.state.ready_at().is_some())
                .cloned()
                .collect();
            waiting.sort_by_key(|delivery| delivery.arrival);
            waiting.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            waiting
        }))
    }

    async fn expire(
        &self,
        delivery: &Delivery,
        note: String,
        alert: NewAlert,
        at: Timestamp,
    ) -> Result<()> {
        self.write(|state| dead_letters::expire(state, delivery, &note, alert, at))
    }

    async fn cancel(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write(|state| Ok(dead_letters::cancel(state, &filter, audit, at)))
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        Ok(self.read(|state| {
            let matching = state.deliveries.matching(&filter, |_| true);
            let rows = matching.into_iter().map(|at| &state.deliveries.rows[at]);
            rows.map(|row| row.delivery.clone()).collect()
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
        self.write(|state| Ok(dead_letters::redrive(state, &filter, audit, at)))
    }

    async fn purge(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write(|state| {
            Ok(dead_letters::purge(
                state,
                &filter,
                &audit,
                notice.as_ref(),
                at,
            ))
        })
    }

    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>> {
        Ok(self.read(|state| state.deliveries.counts()))
    }
}
