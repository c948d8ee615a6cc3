//! Nodes, their runs, and the leases that they live by.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use qm_core::id::NodeName;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{NodeReport, Nodes};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::{MemoryLedger, Shared};
use crate::clock::TestClock;

/// One run of a node: what it began is fenced off when its lease is over or another run follows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub(super) node: NodeName,
    epoch: u64,
}

/// How long a node lives without a report; without a clock, for ever.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) clock: TestClock,
    pub(super) duration: SignedDuration,
}

#[derive(Clone, Default)]
pub(super) struct State(BTreeMap<NodeName, Row>);

#[derive(Clone)]
struct Row {
    epoch: u64,
    lease_until: Timestamp,
    report: Option<NodeReport>,
}

impl State {
    /// A new run of the node: all earlier ones are over.
    pub(super) fn begin(&mut self, node: &NodeName, lease_until: Timestamp) -> Run {
        let row = self.0.entry(node.clone()).or_insert(Row {
            epoch: 0,
            lease_until,
            report: None,
        });
        row.epoch += 1;
        row.lease_until = lease_until;
        Run {
            node: node.clone(),
            epoch: row.epoch,
        }
    }

    /// True if nobody may take over what the run has begun.
    pub(super) fn is_alive(&self, run: &Run, now: Timestamp) -> bool {
        self.0
            .get(&run.node)
            .is_some_and(|row| row.epoch == run.epoch && now < row.lease_until)
    }

    /// `Conflict` if others may have taken over what the run has begun.
    pub(super) fn check(&self, run: &Run, now: Timestamp) -> Result<()> {
        if self.is_alive(run, now) {
            return Ok(());
        }
        let error = Error::new(Kind::Conflict, "this node was taken for dead");
        Err(error.with("node", &run.node))
    }
}

impl Shared {
    /// Now, as leases are measured.
    pub(super) fn now(&self) -> Timestamp {
        self.now_or(Timestamp::MIN)
    }

    /// Now by the clock that nodes share; `own`, if there is one node.
    pub(super) fn now_or(&self, own: Timestamp) -> Timestamp {
        let lease = self.lease.as_ref();
        lease.map_or(own, |lease| lease.clock.now())
    }

    pub(super) fn lease_until(&self) -> Timestamp {
        let until = |lease: &Lease| lease.clock.now() + lease.duration;
        self.lease.as_ref().map_or(Timestamp::MAX, until)
    }
}

impl MemoryLedger {
    /// Does `report`; true if the lease had been over.
    fn renew(&self, report: NodeReport) -> Result<bool> {
        let (run, now) = (self.run(), self.shared.now());
        let until = self.shared.lease_until();
        self.write(|state| {
            let was_over = !state.nodes.is_alive(&run, now);
            if was_over {
                *self.run.lock() = state.nodes.begin(&run.node, until);
            }
            if let Some(row) = state.nodes.0.get_mut(&run.node) {
                // Who stops cleanly leaves what it had to the others.
                row.lease_until = report.alive_at.map_or(now, |_| until);
                row.report = Some(report);
            }
            Ok(was_over)
        })
    }
}

#[async_trait]
impl Nodes for MemoryLedger {
    async fn report(&self, report: NodeReport) -> Result<()> {
        if self.renew(report)? {
            return Err(Error::new(
                Kind::Conflict,
                "this node was taken for dead; it begins anew",
            ));
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>> {
        Ok(self.read(|state| {
            let rows = state.nodes.0.values();
            rows.filter_map(|row| row.report.clone()).collect()
        }))
    }
}
