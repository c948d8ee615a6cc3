//! Jobs of the writer: statements, what they are about, and somebody who waits for the result.

use qm_core::{Error, Kind, Result};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::transaction::{Step, Work};

/// Who is woken when the rows that the job changed are durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Wakes {
    /// Whoever listens: the rows may be work.
    #[default]
    Everybody,
    /// Nobody: no scan would find anything to do.
    Nobody,
}

/// What a job needs before it runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Needs {
    /// Nothing.
    #[default]
    Nothing,
    /// This node's lease.
    Lease,
    /// The lease, and the lock under which seqs are given.
    LeaseAndOrder,
}

/// How a job is treated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Manner {
    pub(super) wakes: Wakes,
    pub(super) needs: Needs,
}

/// One caller's part of a transaction, boxed for the queue.
pub(super) trait Job: Send {
    /// How it is treated.
    fn manner(&self) -> Manner;

    /// Does the work; run again, it forgets the earlier result.
    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, ()>;

    /// Answers the caller with the work's result; to be called when that is durable.
    fn answer(self: Box<Self>);

    /// Answers the caller that nothing was done.
    fn refuse(self: Box<Self>, error: Error);

    /// What is being done, for errors.
    fn operation(&self) -> &'static str;
}

/// A job made of a function.
pub(super) struct Task<D, T> {
    pub(super) operation: &'static str,
    pub(super) manner: Manner,
    pub(super) work: Work<D, T>,
    pub(super) result: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T>>,
}

impl<D: Send + Sync, T: Send> Job for Task<D, T> {
    fn manner(&self) -> Manner {
        self.manner
    }

    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, ()> {
        self.result = None;
        Box::pin(async {
            self.result = Some((self.work.run)(connection, &self.work.data).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>) {
        let result = self.result.ok_or_else(|| not_run(self.operation));
        // Nobody may be waiting any more; the work is done all the same.
        drop(self.reply.send(result));
    }

    fn refuse(self: Box<Self>, error: Error) {
        drop(self.reply.send(Err(error)));
    }

    fn operation(&self) -> &'static str {
        self.operation
    }
}

fn not_run(operation: &'static str) -> Error {
    Error::new(Kind::Bug, "the server made a mistake")
        .during(operation)
        .with("job", "answered before it was run")
}
