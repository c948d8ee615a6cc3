//! A ledger in memory: the whole contract of `qm_core::ports::ledger` without a disk. Its state
//! can be taken out and put back, and it can be told to stop working after some writes: a test
//! that stops after every write and starts again on what was left needs no more.

mod account_keys;
mod alerts;
mod arrivals;
mod attempts;
mod audit;
mod dead_letters;
mod deliveries;
mod departures;
mod finished;
mod inbox;
mod kept;
mod loads;
mod measures;
mod name_attributes;
mod names;
mod nodes;
mod overtaking;
mod partials;
mod revisions;
pub mod sample;
mod slots;

use jiff::SignedDuration;
use parking_lot::Mutex;
use qm_core::id::{DestinationName, NodeName};
use qm_core::{Error, Kind, Result};
use std::sync::Arc;
use tokio::sync::watch;

use crate::clock::TestClock;
use nodes::{Lease, Run};

/// A ledger in memory; clones are the same run of the same node.
#[derive(Clone)]
pub struct MemoryLedger {
    shared: Arc<Shared>,
    run: Arc<Mutex<Run>>,
}

struct Shared {
    state: Mutex<LedgerState>,
    writes_left: Mutex<Option<u64>>,
    unclaimable: Mutex<Option<DestinationName>>,
    changes: watch::Sender<u64>,
    lease: Option<Lease>,
}

/// Everything a [`MemoryLedger`] knows.
#[derive(Clone, Default)]
pub struct LedgerState {
    names: names::State,
    kept: kept::State,
    name_attributes: name_attributes::State,
    inbox: inbox::State,
    loads: loads::State,
    measured: measures::State,
    partials: partials::State,
    arrivals: arrivals::State,
    deliveries: deliveries::State,
    slots: slots::State,
    alerts: alerts::State,
    audit: audit::State,
    revisions: revisions::State,
    account_keys: account_keys::State,
    nodes: nodes::State,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLedger {
    /// An empty one of one node, whose lease is never over.
    pub fn new() -> Self {
        Self::from_state(LedgerState::default())
    }

    /// One that begins with what another held.
    pub fn from_state(state: LedgerState) -> Self {
        Self::open(state, &sample::node(), None)
    }

    /// An empty one of several nodes, whose leases last for `lease` by the clock; the others
    /// [`Self::join`].
    pub fn shared(node: &NodeName, clock: TestClock, lease: SignedDuration) -> Self {
        let lease = Lease {
            clock,
            duration: lease,
        };
        Self::open(LedgerState::default(), node, Some(lease))
    }

    /// A run of another node on the same ledger; or another run of the same, which ends the first.
    #[must_use]
    pub fn join(&self, node: &NodeName) -> Self {
        Self::begin(Arc::clone(&self.shared), node)
    }

    fn open(state: LedgerState, node: &NodeName, lease: Option<Lease>) -> Self {
        let shared = Shared {
            state: Mutex::new(state),
            writes_left: Mutex::new(None),
            unclaimable: Mutex::new(None),
            changes: watch::Sender::new(0),
            lease,
        };
        Self::begin(Arc::new(shared), node)
    }

    fn begin(shared: Arc<Shared>, node: &NodeName) -> Self {
        let until = shared.lease_until();
        let run = shared.state.lock().nodes.begin(node, until);
        Self {
            shared,
            run: Arc::new(Mutex::new(run)),
        }
    }

    fn run(&self) -> Run {
        self.run.lock().clone()
    }

    /// A copy of everything it holds.
    pub fn snapshot(&self) -> LedgerState {
        self.shared.state.lock().clone()
    }

    /// Goes back to what a snapshot held, as a new run of this node.
    pub fn restore(&self, state: LedgerState) {
        let until = self.shared.lease_until();
        let mut run = self.run.lock();
        let mut current = self.shared.state.lock();
        *current = state;
        *run = current.nodes.begin(&run.node, until);
        drop((current, run));
        self.announce();
    }

    /// After so many more writes every write fails with `Unavailable`; `None` ends that.
    pub fn fail_after(&self, writes: Option<u64>) {
        *self.shared.writes_left.lock() = writes;
    }

    /// Every claim for this destination fails with `Unavailable` until `None` is set.
    pub fn fail_claims(&self, destination: Option<DestinationName>) {
        *self.shared.unclaimable.lock() = destination;
    }

    fn check_claim(&self, destination: &DestinationName) -> Result<()> {
        if self.shared.unclaimable.lock().as_ref() == Some(destination) {
            return Err(Error::new(
                Kind::Unavailable,
                "the ledger cannot look at this destination",
            ));
        }
        Ok(())
    }

    /// Counts up with every write that changed something.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    fn read<T>(&self, look: impl FnOnce(&LedgerState) -> T) -> T {
        look(&self.shared.state.lock())
    }

    /// One transaction: `change` either does all of its work or returns an error and none.
    fn write<T>(&self, change: impl FnOnce(&mut LedgerState) -> Result<T>) -> Result<T> {
        self.write_if(change, |_| true)
    }

    /// Like `write`, but nobody is woken when the result says that nothing changed.
    fn write_if<T>(
        &self,
        change: impl FnOnce(&mut LedgerState) -> Result<T>,
        is_changed: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        self.take_write()?;
        let result = change(&mut self.shared.state.lock());
        if result.as_ref().is_ok_and(is_changed) {
            self.announce();
        }
        result
    }

    fn take_write(&self) -> Result<()> {
        match self.shared.writes_left.lock().as_mut() {
            None => Ok(()),
            Some(0) => Err(Error::new(
                Kind::Unavailable,
                "the ledger does not work now; please try again later",
            )),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn announce(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}

/// The row number after `count` rows.
fn next_number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1)
}

/// The last `limit`, newest first.
fn newest<T: Clone>(rows: &[T], limit: u32) -> Vec<T> {
    rows.iter()
        .rev()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::sample::{
        arrive, audit, claim, path, publish, transition, upload_and_deliver, version,
    };
    use qm_core::delivery::DeliveryState;
    use qm_core::ports::ledger::{Arrivals as _, Audit as _, Deliveries as _, Names as _};

    #[tokio::test]
    async fn a_snapshot_is_what_it_was() {
        let ledger = MemoryLedger::new();
        arrive(&ledger, "a", 1).await;
        let snapshot = ledger.snapshot();
        arrive(&ledger, "a", 2).await;
        let restarted = MemoryLedger::from_state(snapshot.clone());
        ledger.restore(snapshot);
        for ledger in [ledger, restarted] {
            let current = ledger.current(&path("a")).await.unwrap();
            assert_eq!(current, Some(version(1)));
            assert_eq!(ledger.latest(9).await.unwrap().len(), 1);
        }
    }

    /// What a run had begun is the next one's of its node, and nobody else's.
    #[tokio::test]
    async fn a_restart_takes_over_from_itself() {
        let clock = TestClock::new(sample::minute(0));
        let first = MemoryLedger::shared(&sample::node(), clock, SignedDuration::from_mins(1));
        let other = first.join(&NodeName::parse("other").unwrap());
        upload_and_deliver(&first, "a", 1).await;
        let lost = claim(&first, 0, 1).await.remove(0);
        let operation = first.record(publish("b", 2)).await.unwrap();
        assert!(other.pending().await.unwrap().is_empty());
        let second = first.join(&sample::node());
        let taken = second.interrupted(&[lost.id], sample::minute(0)).await;
        let taken = taken.unwrap().remove(0);
        assert_eq!(second.pending().await.unwrap().len(), 1);
        assert!(
            other
                .interrupted(&[], sample::minute(0))
                .await
                .unwrap()
                .is_empty()
        );
        let ended = transition(DeliveryState::Delivered, "late");
        let refused = first.finish(&lost, ended.clone(), None, sample::minute(1));
        assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
        let refused = first.complete(&operation).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
        let finished = second.finish(&taken, ended, None, sample::minute(1));
        finished.await.unwrap();
        second.complete(&operation).await.unwrap();
    }

    #[tokio::test]
    async fn it_stops_after_so_many_writes() {
        let ledger = MemoryLedger::new();
        let mut changes = ledger.changes();
        ledger.fail_after(Some(1));
        let operation = ledger.record(publish("a", 1)).await.unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        for _ in 0..2 {
            let refused = ledger.complete(&operation).await.unwrap_err();
            assert_eq!(refused.kind(), Kind::Unavailable);
        }
        assert!(!changes.has_changed().unwrap());
        assert_eq!(ledger.pending().await.unwrap().len(), 1);
        ledger.fail_after(None);
        ledger.complete(&operation).await.unwrap();
        ledger.append(audit("a")).await.unwrap();
        assert!(ledger.pending().await.unwrap().is_empty());
    }
}
