//! What the ledger says of the deliveries: how many are open, and when each began and ended.

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use qm_core::Error;
use qm_core::delivery::DeliveryState;
use qm_core::id::NodeName;
use qm_core::ports::access::Secret;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};
use qm_ledger::{PostgresLedger, PostgresOptions, SqliteLedger, SqliteOptions};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

use super::node::Node;

/// Often enough beside what takes seconds, seldom enough to cost the node nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Nothing that is measured here takes so long, on any machine.
const WAIT_LIMIT: Duration = Duration::from_mins(30);

/// The ledger of a scene, read beside its nodes.
pub(crate) struct Book {
    ledger: Box<dyn Ledger>,
    runtime: Runtime,
}

/// How many deliveries stand where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) waiting: u64,
    pub(crate) running: u64,
    pub(crate) delivered: u64,
    given_up: u64,
}

/// A delivery's life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Life {
    pub(crate) arrived: Timestamp,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
}

impl Book {
    pub(crate) fn of_file(file: &Path) -> Result<Self> {
        let ledger = SqliteLedger::open(file, SqliteOptions::default()).map_err(explained)?;
        Ok(Self {
            ledger: Box::new(ledger),
            runtime: runtime()?,
        })
    }

    pub(crate) fn of_database(connection: String) -> Result<Self> {
        let node = NodeName::parse("bench").map_err(explained)?;
        let options = PostgresOptions::new(Secret::new(connection), node);
        let runtime = runtime()?;
        let ledger = runtime
            .block_on(PostgresLedger::open(options))
            .map_err(explained)?;
        Ok(Self {
            ledger: Box::new(ledger),
            runtime,
        })
    }

    pub(crate) fn counts(&self) -> Result<Counts> {
        let counts = self.runtime.block_on(self.ledger.counts());
        let mut sums = Counts::default();
        for (state, count) in counts.map_err(explained)? {
            let sum = match state {
                DeliveryState::Waiting { .. } => &mut sums.waiting,
                DeliveryState::Running { .. } => &mut sums.running,
                DeliveryState::Delivered => &mut sums.delivered,
                DeliveryState::Dead
                | DeliveryState::Superseded
                | DeliveryState::Cancelled
                | DeliveryState::Purged => &mut sums.given_up,
            };
            *sum += count;
        }
        Ok(sums)
    }

    /// Waits until the counts are as wanted; fails when a delivery was given up or a node ended.
    pub(crate) fn wait(
        &self,
        nodes: &mut [Node],
        is_reached: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let counts = self.counts()?;
            if counts.given_up > 0 {
                bail!("a delivery was given up: {}", self.reason()?);
            }
            if is_reached(&counts) {
                return Ok(counts);
            }
            for node in &mut *nodes {
                node.check()?;
            }
            ensure!(Instant::now() < deadline, "{counts:?} after {WAIT_LIMIT:?}");
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// The lives of all that are delivered.
    pub(crate) fn lives(&self) -> Result<Vec<Life>> {
        let filter = DeliveryFilter {
            state: Some(DeliveryState::Delivered.as_str()),
            ..DeliveryFilter::default()
        };
        self.runtime.block_on(async {
            let mut lives = Vec::new();
            for delivery in self.ledger.deliveries(filter).await.map_err(explained)? {
                let attempts = self.ledger.attempts(delivery.id).await.map_err(explained)?;
                let first = attempts.first().context("a delivery without an attempt")?;
                let last = attempts.last().context("a delivery without an attempt")?;
                lives.push(Life {
                    arrived: delivery.arrived_at,
                    began: first.began_at,
                    ended: last.ended_at.context("an attempt without an end")?,
                });
            }
            Ok(lives)
        })
    }

    fn reason(&self) -> Result<String> {
        let filter = DeliveryFilter {
            state: Some(DeliveryState::Dead.as_str()),
            limit: 1,
            ..DeliveryFilter::default()
        };
        let dead = self.runtime.block_on(self.ledger.deliveries(filter));
        let dead = dead.map_err(explained)?.into_iter().next();
        Ok(dead
            .and_then(|delivery| delivery.last_error)
            .unwrap_or_default())
    }
}

/// From the first beginning to the last end.
pub(crate) fn span(lives: &[Life]) -> Result<Duration> {
    let first = lives.iter().map(|life| life.began).min();
    let last = lives.iter().map(|life| life.ended).max();
    let (first, last) = first.zip(last).context("nothing was delivered")?;
    elapsed(first, last)
}

/// From the arrival to the beginning of the delivery: so many of a hundred take no longer.
pub(crate) fn start(lives: &[Life], of_hundred: usize) -> Result<Duration> {
    let mut waits = lives
        .iter()
        .map(|life| elapsed(life.arrived, life.began))
        .collect::<Result<Vec<Duration>>>()?;
    waits.sort_unstable();
    let rank = (waits.len() * of_hundred).div_ceil(100);
    let wait = waits.get(rank.saturating_sub(1));
    wait.copied().context("nothing was delivered")
}

fn elapsed(from: Timestamp, until: Timestamp) -> Result<Duration> {
    Duration::try_from(until.duration_since(from)).context("the clock was set back")
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting a runtime")
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn explained(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{}", error.chain())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(arrived: i64, began: i64, ended: i64) -> Life {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        Life {
            arrived: at(arrived),
            began: at(began),
            ended: at(ended),
        }
    }

    #[test]
    fn spans() {
        let lives = [life(0, 10, 40), life(0, 5, 20), life(0, 30, 35)];
        assert_eq!(span(&lives).unwrap(), Duration::from_millis(35));
        assert!(span(&[]).is_err());
    }

    #[test]
    fn all_but_the_slowest_of_a_hundred() {
        let lives: Vec<Life> = (1..=100).map(|wait| life(0, wait, 200)).collect();
        assert_eq!(start(&lives, 99).unwrap(), Duration::from_millis(99));
        assert_eq!(start(&lives, 50).unwrap(), Duration::from_millis(50));
        assert_eq!(start(&lives[..3], 99).unwrap(), Duration::from_millis(3));
        assert!(start(&[], 99).is_err());
        assert!(start(&[life(2, 1, 3)], 99).is_err());
    }
}
