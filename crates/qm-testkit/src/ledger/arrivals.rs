//! Arrivals and their outbox.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::delivery::{Delivery, NewDelivery};
use qm_core::id::{ArrivalSeq, BucketName, RevisionNumber, VersionId};
use qm_core::name::{ObjectPath, Prefix};
use qm_core::ports::ledger::Arrivals;
use qm_core::{Error, Kind, Result};

use super::{LedgerState, MemoryLedger, newest, next_number, overtaking};

/// How long the same content again counts as a duplicate: the contract of `Names::record`.
const DUPLICATE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

#[derive(Clone, Default)]
pub(super) struct State(Vec<Arrival>);

impl State {
    /// Adds one; its place and what it duplicates are decided here.
    pub(super) fn add(&mut self, mut arrival: Arrival) -> ArrivalSeq {
        arrival.seq = ArrivalSeq(next_number(self.0.len()));
        arrival.duplicate_of = self.original_of(&arrival);
        let seq = arrival.seq;
        self.0.push(arrival);
        seq
    }

    pub(super) fn set_state(&mut self, seq: ArrivalSeq, to: ArrivalState) {
        if let Some(arrival) = self.0.iter_mut().find(|arrival| arrival.seq == seq) {
            arrival.state = to;
        }
    }

    /// The one of that place.
    pub(super) fn at(&self, seq: ArrivalSeq) -> Option<&Arrival> {
        self.0.iter().find(|arrival| arrival.seq == seq)
    }

    /// When the version was last brought back there.
    pub(super) fn restored(&self, path: &ObjectPath, version: VersionId) -> Option<ArrivalSeq> {
        let restored = self.0.iter().filter(|arrival| {
            arrival.cause == Cause::Restore
                && arrival.version.id == version
                && arrival.path == *path
        });
        restored.map(|arrival| arrival.seq).max()
    }

    /// Its bytes are an object now.
    pub(super) fn clear_staged(&mut self, version: VersionId) {
        for arrival in &mut self.0 {
            if arrival.version.id == version {
                arrival.version.staged = None;
            }
        }
    }

    /// True while an arrival of the version can still be routed.
    pub(super) fn is_unrouted(&self, version: VersionId) -> bool {
        self.0.iter().any(|arrival| {
            arrival.version.id == version
                && arrival.deliveries.is_none()
                && arrival.state != ArrivalState::Failed
        })
    }

    fn original_of(&self, arrival: &Arrival) -> Option<ArrivalSeq> {
        arrival.account.as_ref()?;
        let original = self.0.iter().rev().find(|earlier| {
            earlier.account == arrival.account
                && earlier.path == arrival.path
                && earlier.version.sha256 == arrival.version.sha256
                && earlier.state != ArrivalState::Failed
                && earlier.at + DUPLICATE_WINDOW >= arrival.at
        });
        original.map(|earlier| earlier.seq)
    }
}

fn route(
    state: &mut LedgerState,
    seq: ArrivalSeq,
    deliveries: Vec<NewDelivery>,
    revision: RevisionNumber,
    at: Timestamp,
) -> Result<u32> {
    let arrivals = &mut state.arrivals.0;
    let arrival = arrivals
        .iter_mut()
        .find(|arrival| arrival.seq == seq)
        .ok_or_else(|| Error::new(Kind::NotFound, "no such arrival").with("arrival", seq))?;
    match (arrival.state, arrival.deliveries) {
        (ArrivalState::Appearing | ArrivalState::Failed, _) => Err(Error::new(
            Kind::Conflict,
            "the arrival is not there to be routed",
        )
        .with("arrival", seq)),
        (ArrivalState::Arrived, Some(_)) => Ok(0),
        (ArrivalState::Arrived, None) => {
            let created = state.deliveries.create(arrival, deliveries, revision, at);
            arrival.deliveries = Some(created);
            let arrival = arrival.seq;
            overtake(state, arrival, at);
            Ok(created)
        }
    }
}

/// What older departures ask for, where this arrival goes.
fn overtake(state: &mut LedgerState, arrival: ArrivalSeq, at: Timestamp) {
    let rows = state.deliveries.rows.iter();
    let new: Vec<Delivery> = rows
        .filter(|row| row.delivery.arrival == arrival && !row.adds)
        .map(|row| row.delivery.clone())
        .collect();
    for delivery in new {
        overtaking::overtake(state, &delivery, at);
    }
}

#[async_trait]
impl Arrivals for MemoryLedger {
    async fn unrouted(&self, limit: u32) -> Result<Vec<Arrival>> {
        Ok(self.read(|state| {
            let waiting = state.arrivals.0.iter().filter(|arrival| {
                arrival.state == ArrivalState::Arrived && arrival.deliveries.is_none()
            });
            waiting.take(count(limit)).cloned().collect()
        }))
    }

    async fn route(
        &self,
        arrival: ArrivalSeq,
        deliveries: Vec<NewDelivery>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        self.write(|state| route(state, arrival, deliveries, revision, at))
    }

    async fn between(
        &self,
        bucket: &BucketName,
        below: &Prefix,
        from: Timestamp,
        until: Timestamp,
        after: Option<ArrivalSeq>,
        limit: u32,
    ) -> Result<Vec<Arrival>> {
        Ok(self.read(|state| {
            let found = state.arrivals.0.iter().filter(|arrival| {
                arrival.state == ArrivalState::Arrived
                    && arrival.path.bucket == *bucket
                    && arrival.path.key.is_below(below)
                    && (from..=until).contains(&arrival.at)
                    && after.is_none_or(|after| arrival.seq > after)
            });
            found.take(count(limit)).cloned().collect()
        }))
    }

    async fn latest(&self, limit: u32) -> Result<Vec<Arrival>> {
        Ok(self.read(|state| newest(&state.arrivals.0, limit)))
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
