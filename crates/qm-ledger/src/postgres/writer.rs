//! The writer: changes of names, the audit and what goes with them, in the order of calls. What
//! waits goes into one transaction. The lock under which seqs are given is held until the server
//! has synced its log, so without groups every upload of every node would wait for a sync of its
//! own, one after the other.

use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use qm_core::Error;

use super::changes::Changes;
use super::connection::Connection;
use super::fault::{Cure, Fault, Sql, unavailable};
use super::job::{Job, Needs, Wakes};
use super::lease::Lease;
use super::pool::Pool;
use super::transaction::{self, Body, Step};

/// As many as a busy front has sessions; a longer group holds the lock for longer than a sync
/// costs.
const GROUP_MAX: usize = 64;

/// The key of the advisory lock under which seqs are given: "qm" and a number.
const ORDER_LOCK: i64 = 0x716d_0001;

/// The way to the writer's task, which ends when this is dropped and the queue is done.
pub(super) struct Writer {
    queue: UnboundedSender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn start(pool: Arc<Pool>, lease: Arc<Lease>, changes: Arc<Changes>) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let desk = Desk {
            pool,
            lease,
            changes,
        };
        tokio::spawn(desk.work(jobs));
        Self { queue }
    }

    /// Behind everything that was enqueued before.
    pub(super) fn enqueue(&self, job: Box<dyn Job>) {
        if let Err(unsent) = self.queue.send(job) {
            let operation = unsent.0.operation();
            unsent.0.refuse(unavailable().during(operation));
        }
    }
}

struct Desk {
    pool: Arc<Pool>,
    lease: Arc<Lease>,
    changes: Arc<Changes>,
}

impl Desk {
    async fn work(self, mut jobs: UnboundedReceiver<Box<dyn Job>>) {
        let mut group = Vec::new();
        while jobs.recv_many(&mut group, GROUP_MAX).await > 0 {
            self.do_group(Group(std::mem::take(&mut group))).await;
        }
    }

    async fn do_group(&self, mut group: Group) {
        match self.try_group(&mut group).await {
            Ok(()) => self.answer(group),
            // One of them refuses, or breaks a rule of the schema: each for itself.
            Err(fault) if fault.cure() == Cure::None && group.0.len() > 1 => {
                for job in group.0 {
                    let mut alone = Group(vec![job]);
                    match self.try_group(&mut alone).await {
                        Ok(()) => self.answer(alone),
                        Err(fault) => alone.refuse(fault),
                    }
                }
            }
            Err(fault) => group.refuse(fault),
        }
    }

    async fn try_group(&self, group: &mut Group) -> Sql<()> {
        let holder = if group.any(|needs| needs != Needs::Nothing) {
            Some(self.lease.holder(&self.pool).await?)
        } else {
            None
        };
        transaction::run(&self.pool, holder.as_ref(), group).await
    }

    fn answer(&self, group: Group) {
        let mut jobs = group.0.iter();
        if jobs.any(|job| job.manner().wakes == Wakes::Everybody) {
            self.changes.ours();
        }
        for job in group.0 {
            job.answer();
        }
    }
}

/// Jobs that count together or not at all.
struct Group(Vec<Box<dyn Job>>);

impl Group {
    fn any(&self, needs: impl Fn(Needs) -> bool) -> bool {
        self.0.iter().any(|job| needs(job.manner().needs))
    }

    fn refuse(self, fault: Fault) {
        let mut jobs = self.0.into_iter();
        let Some(first) = jobs.next() else { return };
        let operation = first.operation();
        let error = fault.into_error(operation);
        for job in jobs {
            let operation = job.operation();
            job.refuse(like(&error).during(operation));
        }
        first.refuse(error);
    }
}

/// What happened to all of a group is told in full to one of them.
pub(super) fn like(error: &Error) -> Error {
    Error::new(error.kind(), error.public_message()).retry(error.retry_verdict())
}

impl Body for Group {
    type Value = ();

    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, ()> {
        Box::pin(async {
            // First of all, so that whoever waits for it holds nothing that others wait for.
            if self.any(|needs| needs == Needs::LeaseAndOrder) {
                let lock = "SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS taken";
                connection.run(lock, &[&ORDER_LOCK]).await?;
            }
            for job in &mut self.0 {
                job.run(connection).await?;
            }
            Ok(())
        })
    }
}
