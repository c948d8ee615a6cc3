//! A ledger in memory: the whole contract of `qm_core::ports::ledger` without a disk. Its state
//! can be taken out and put back, and it can be told to stop working after some writes: a test
//! that stops after every write and starts again on what was left needs no more.

mod account_keys;
mod alerts;
mod arrivals;
mod audit;
mod deliveries;
mod inbox;
mod kept;
mod name_attributes;
mod names;
mod nodes;
mod overtaking;
mod partials;
mod revisions;
pub mod sample;
mod slots;

use parking_lot::Mutex;
use qm_core::{Error, Kind, Result};
use std::sync::Arc;
use tokio::sync::watch;

/// A ledger in memory; clones are the same ledger.
#[derive(Clone)]
pub struct MemoryLedger {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<LedgerState>,
    writes_left: Mutex<Option<u64>>,
    changes: watch::Sender<u64>,
}

/// Everything a [`MemoryLedger`] knows.
#[derive(Clone, Default)]
pub struct LedgerState {
    names: names::State,
    kept: kept::State,
    name_attributes: name_attributes::State,
    inbox: inbox::State,
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
    /// An empty one.
    pub fn new() -> Self {
        Self::from_state(LedgerState::default())
    }

    /// One that begins with what another held.
    pub fn from_state(state: LedgerState) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                writes_left: Mutex::new(None),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// A copy of everything it holds.
    pub fn snapshot(&self) -> LedgerState {
        self.shared.state.lock().clone()
    }

    /// Goes back to what a snapshot held.
    pub fn restore(&self, state: LedgerState) {
        *self.shared.state.lock() = state;
        self.announce();
    }

    /// After so many more writes every write fails with `Unavailable`; `None` ends that.
    pub fn fail_after(&self, writes: Option<u64>) {
        *self.shared.writes_left.lock() = writes;
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
    use crate::ledger::sample::{arrive, audit, path, publish, version};
    use qm_core::ports::ledger::{Arrivals as _, Audit as _, Names as _};

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
