//! Reconciler `notice`: reads raw events from outside (store notifications, what watches of
//! buckets saw) and lets what others put into a bucket arrive, once each, however often and in
//! whatever order it is told.

mod digest;
mod event;
mod look;
mod running;

use async_trait::async_trait;
use qm_core::Result;
use qm_core::ports::clock::Identifiers;
use std::sync::Arc;

use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler};
use running::Running;

/// So many more than can be read at once that those being read hide no other; the rest would be
/// looked up for nothing.
const BATCH: u32 = 16;
/// Each holds one piece of one file in memory, whatever the file's size.
const PARALLEL: usize = 8;

/// Lets what others put into a bucket arrive.
pub struct NoticeReconciler {
    ports: Ports,
    identifiers: Arc<dyn Identifiers>,
    running: Arc<Running>,
}

impl NoticeReconciler {
    /// Over these ports.
    pub fn new(ports: Ports, identifiers: Arc<dyn Identifiers>) -> Self {
        Self {
            ports,
            identifiers,
            running: Arc::default(),
        }
    }
}

#[async_trait]
impl Reconciler for NoticeReconciler {
    fn name(&self) -> &'static str {
        "notice"
    }

    async fn pass(&self) -> Result<Pass> {
        self.running.reap();
        let mut faults = Faults::default();
        let now = self.ports.clock.now();
        let due = faults.keep(self.ports.ledger.due_events(now, BATCH).await);
        for row in due.unwrap_or_default() {
            if self.running.count() >= PARALLEL {
                break;
            }
            let (id, wake) = (row.id, self.ports.wake.clone());
            let work = event::read(self.ports.clone(), Arc::clone(&self.identifiers), row);
            self.running.start(id, wake, work);
        }
        let next = faults.keep(self.ports.ledger.next_event().await);
        let pass = Pass {
            has_progressed: false,
            next: next.flatten().filter(|at| *at > now),
        };
        faults.or(pass)
    }

    async fn drain(&self) {
        self.running.ended().await;
    }
}
