//! What alarms and metrics count.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::Result;
use qm_core::alarm::Metric;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::{DeliveryId, DestinationName};
use qm_core::load::Counts;
use qm_core::ports::ledger::{Measures, StateCount, TableCounts};
use std::collections::BTreeMap;

use super::deliveries;
use super::{LedgerState, MemoryLedger};

/// Attempts in the order in which they began.
#[derive(Clone, Default)]
pub(super) struct State {
    attempts: Vec<Measured>,
}

#[derive(Clone)]
struct Measured {
    delivery: DeliveryId,
    destination: DestinationName,
    began_at: Timestamp,
    ended_at: Option<Timestamp>,
    at_once: u64,
    is_held_back: bool,
    is_failed: bool,
}

impl State {
    /// These were begun at once; `before` is how deliveries stood.
    pub(super) fn begun(
        &mut self,
        before: &deliveries::State,
        claimed: &[Delivery],
        now: Timestamp,
    ) {
        for (place, delivery) in (1..).zip(claimed) {
            let earlier = before.rows.iter().map(|row| &row.delivery);
            let running = earlier.filter(|other| runs_at(other, &delivery.destination));
            let at_once = u64::try_from(running.count()).unwrap_or(u64::MAX) + place;
            let ready_at = before
                .find(delivery.id)
                .and_then(|row| row.delivery.state.ready_at());
            let begun = Measured {
                delivery: delivery.id,
                destination: delivery.destination.clone(),
                began_at: now,
                ended_at: None,
                at_once,
                is_held_back: ready_at.is_some_and(|at| self.is_held_back(delivery, at, now)),
                is_failed: false,
            };
            self.attempts.push(begun);
        }
    }

    fn is_held_back(&self, delivery: &Delivery, ready_at: Timestamp, now: Timestamp) -> bool {
        let mut latest_first = self.attempts.iter().rev();
        let last = latest_first
            .find(|other| other.destination == delivery.destination && other.began_at < now);
        now.duration_since(ready_at).unsigned_abs() >= Metric::HELD_BACK_AFTER
            && last.is_some_and(|last| last.ended_at.unwrap_or(now) > ready_at)
    }

    pub(super) fn ended(&mut self, delivery: DeliveryId, is_failed: bool, at: Timestamp) {
        let mut latest_first = self.attempts.iter_mut().rev();
        if let Some(attempt) = latest_first.find(|attempt| attempt.delivery == delivery) {
            attempt.ended_at = Some(at);
            attempt.is_failed = is_failed;
        }
    }
}

fn runs_at(delivery: &Delivery, destination: &DestinationName) -> bool {
    matches!(delivery.state, DeliveryState::Running { .. }) && delivery.destination == *destination
}

fn measure(state: &LedgerState, to: &DestinationName, metric: Metric, since: Timestamp) -> u64 {
    let here = state.measured.attempts.iter();
    let here = here.filter(|attempt| attempt.destination == *to);
    let begun = here.clone().filter(|attempt| attempt.began_at > since);
    let counted = match metric {
        Metric::Attempts => begun.count(),
        Metric::HeldBack => begun.filter(|attempt| attempt.is_held_back).count(),
        Metric::Failures => here
            .filter(|attempt| attempt.is_failed && attempt.ended_at.is_some_and(|at| at > since))
            .count(),
        Metric::Duration => return duration(state, to, since),
        Metric::Running => {
            let most = begun.map(|attempt| attempt.at_once).max();
            let rows = state.deliveries.rows.iter();
            let now = rows.filter(|row| runs_at(&row.delivery, to)).count();
            let now = u64::try_from(now).unwrap_or(u64::MAX);
            return now
                .max(most.unwrap_or_default())
                .min(u64::from(Metric::COUNTED_MAX));
        }
    };
    let counted = u64::try_from(counted).unwrap_or(u64::MAX);
    counted.min(u64::from(Metric::COUNTED_MAX))
}

/// Microseconds for a row are milliseconds for a thousand.
fn duration(state: &LedgerState, to: &DestinationName, since: Timestamp) -> u64 {
    let (mut took_us, mut rows) = (0, 0);
    for load in state.loads.rows() {
        let is_in = load.delivery.destination == *to && load.ended_at.is_some_and(|at| at > since);
        if let Some(took) = load.took.filter(|_| is_in) {
            took_us += took.as_micros();
            rows += u128::from(load.so_far.counts.read.max(1_000));
        }
    }
    let average = took_us.checked_div(rows).unwrap_or_default();
    u64::try_from(average).unwrap_or(u64::MAX)
}

#[async_trait]
impl Measures for MemoryLedger {
    async fn measure(
        &self,
        destination: &DestinationName,
        metric: Metric,
        since: Timestamp,
    ) -> Result<u64> {
        Ok(self.read(|state| measure(state, destination, metric, since)))
    }

    async fn delivery_counts(&self) -> Result<Vec<StateCount>> {
        Ok(self.read(|state| {
            let mut counts: BTreeMap<(DestinationName, &str), u64> = BTreeMap::new();
            for row in &state.deliveries.rows {
                let of = (
                    row.delivery.destination.clone(),
                    row.delivery.state.as_str(),
                );
                *counts.entry(of).or_default() += 1;
            }
            let counts = counts.into_iter();
            counts
                .map(|((destination, state), count)| StateCount {
                    destination,
                    state: state.to_owned(),
                    count,
                })
                .collect()
        }))
    }

    async fn load_counts(&self) -> Result<Vec<TableCounts>> {
        Ok(self.read(|state| {
            let mut all: BTreeMap<DestinationName, (u64, Counts)> = BTreeMap::new();
            for load in state.loads.rows().filter(|load| load.ended_at.is_some()) {
                let (loads, sum) = all.entry(load.delivery.destination.clone()).or_default();
                let counts = load.so_far.counts;
                *loads += 1;
                sum.read += counts.read;
                sum.inserted += counts.inserted;
                sum.updated += counts.updated;
                sum.unchanged += counts.unchanged;
                sum.rejected += counts.rejected;
                sum.superseded += counts.superseded;
            }
            let all = all.into_iter();
            all.map(|(destination, (loads, counts))| TableCounts {
                destination,
                loads,
                counts,
            })
            .collect()
        }))
    }
}
