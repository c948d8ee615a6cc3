//! The finisher: attempts that end while others are being recorded are recorded together, in one
//! transaction and with one sync of the server's log. Nobody waits for a timer.
//!
//! It is not the writer: ends of attempts take no seqs, and nobody's upload waits for them.

use qm_core::alert::NewAlert;
use qm_core::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use super::changes::Changes;
use super::ends::{End, Ends};
use super::fault::{Cure, Sql, unavailable};
use super::lease::Lease;
use super::pool::Pool;
use super::transaction::{self, Work};
use super::writer::like;
use super::{attempts, stopped};

const OPERATION: &str = "finish an attempt";

/// As many as a node runs at a time.
const GROUP_MAX: usize = 256;

/// The way to the finisher's task, which ends when this is dropped and the queue is done.
pub(super) struct Finisher {
    queue: UnboundedSender<Call>,
}

struct Call {
    end: End,
    alert: Option<NewAlert>,
    reply: oneshot::Sender<Result<()>>,
}

impl Finisher {
    pub(super) fn start(pool: Arc<Pool>, lease: Arc<Lease>, changes: Arc<Changes>) -> Self {
        let (queue, calls) = mpsc::unbounded_channel();
        let desk = Desk {
            pool,
            lease,
            changes,
        };
        tokio::spawn(Arc::new(desk).work(calls));
        Self { queue }
    }

    /// Is done even if the future is dropped.
    pub(super) async fn finish(&self, end: End, alert: Option<NewAlert>) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let call = Call { end, alert, reply };
        if self.queue.send(call).is_err() {
            return Err(unavailable().during(OPERATION));
        }
        answer
            .await
            .unwrap_or_else(|e| Err(stopped(OPERATION).source(e)))
    }
}

struct Desk {
    pool: Arc<Pool>,
    lease: Arc<Lease>,
    changes: Arc<Changes>,
}

impl Desk {
    async fn work(self: Arc<Self>, mut calls: UnboundedReceiver<Call>) {
        let mut group = Vec::new();
        while calls.recv_many(&mut group, GROUP_MAX).await > 0 {
            for call in self.do_group(std::mem::take(&mut group)).await {
                // Nobody else waits for it.
                tokio::spawn(Arc::clone(&self).finish_alone(call));
            }
        }
    }

    /// Answers those that counted together, or nobody can say; the others are returned.
    async fn do_group(&self, calls: Vec<Call>) -> Vec<Call> {
        let (group, mut alone) = together(calls);
        let (mut ends, mut waiting) = (Vec::new(), Vec::new());
        for call in group {
            ends.push(call.end);
            waiting.push((call.alert, call.reply));
        }
        if ends.is_empty() {
            return alone;
        }
        let mut body = Ends(ends);
        let done = self.try_group(&mut body).await;
        let group = body.0.into_iter().zip(waiting);
        let group = group.map(|(end, (alert, reply))| Call { end, alert, reply });
        match done {
            Ok(ended) => {
                if !ended.is_empty() {
                    self.changes.ours();
                }
                for call in group {
                    if ended.contains(&call.end.delivery.id) {
                        call.answer(Ok(()));
                    } else {
                        alone.push(call);
                    }
                }
            }
            // One of them breaks a rule of the schema: each for itself.
            Err(fault) if fault.cure() == Cure::None => alone.extend(group),
            Err(fault) => {
                let error = fault.into_error(OPERATION);
                for call in group {
                    call.answer(Err(like(&error).during(OPERATION)));
                }
                tracing::debug!(error = error.chain(), "ends of attempts not recorded");
            }
        }
        alone
    }

    async fn try_group(&self, ends: &mut Ends) -> Sql<BTreeSet<qm_core::id::DeliveryId>> {
        let holder = self.lease.holder(&self.pool).await?;
        transaction::run(&self.pool, Some(&holder), ends).await
    }

    async fn finish_alone(self: Arc<Self>, call: Call) {
        let Call { end, alert, reply } = call;
        let mut work = Work {
            data: (end, alert),
            run: |c, (end, alert)| {
                let (delivery, to) = (&end.delivery, &end.transition);
                Box::pin(attempts::finish(c, delivery, to, alert.as_ref(), end.at))
            },
        };
        let done = async {
            let holder = self.lease.holder(&self.pool).await?;
            transaction::run(&self.pool, Some(&holder), &mut work).await
        };
        let done: Sql<()> = done.await;
        if done.is_ok() {
            self.changes.ours();
        }
        // Nobody may be waiting any more; the work is done all the same.
        drop(reply.send(done.map_err(|fault| fault.into_error(OPERATION))));
    }
}

impl Call {
    fn answer(self, result: Result<(), Error>) {
        drop(self.reply.send(result));
    }
}

/// Those that may go together, each delivery once, and the others.
fn together(calls: Vec<Call>) -> (Vec<Call>, Vec<Call>) {
    let mut deliveries = BTreeSet::new();
    calls.into_iter().partition(|call| {
        call.end.is_plain(call.alert.as_ref()) && deliveries.insert(call.end.delivery.id)
    })
}
