//! Jobs of the writer: a closure over the connection and somebody who waits for its result.

use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::fault::{Fault, Sql};

/// Whether somebody's answer waits for the job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// It does.
    Now,
    /// It does not: the job goes with the next one that cannot wait.
    WithTheNext,
}

/// One transaction of a caller, boxed for the queue.
pub(super) trait Job: Send {
    /// Whether somebody's answer waits for it.
    fn urgency(&self) -> Urgency;

    /// Does the work; false if it failed and must be rolled back.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Answers the caller with the work's result; to be called when that is durable.
    fn answer(self: Box<Self>);

    /// Answers the caller that nothing was done.
    fn refuse(self: Box<Self>, error: Error);
}

/// A job made of closures.
pub(super) struct Task<T, W, R> {
    operation: &'static str,
    urgency: Urgency,
    work: Option<W>,
    result: Option<Result<T>>,
    reply: R,
}

impl<T, W, R> Task<T, W, R>
where
    T: Send,
    W: FnOnce(&Connection) -> Sql<T> + Send,
    R: FnOnce(Result<T>) + Send,
{
    /// `reply` is called exactly once, from the writer's thread.
    pub(super) fn new(operation: &'static str, urgency: Urgency, work: W, reply: R) -> Self {
        Self {
            operation,
            urgency,
            work: Some(work),
            result: None,
            reply,
        }
    }
}

impl<T, W, R> Job for Task<T, W, R>
where
    T: Send,
    W: FnOnce(&Connection) -> Sql<T> + Send,
    R: FnOnce(Result<T>) + Send,
{
    fn urgency(&self) -> Urgency {
        self.urgency
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        // A panic must not take the thread, and with it everybody else's writes, away.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)));
        let result = result
            .unwrap_or_else(|_| Err(Fault::Refused(panicked())))
            .map_err(|fault| fault.into_error(self.operation));
        let is_done = result.is_ok();
        self.result = Some(result);
        is_done
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(not_run(self.operation)));
        (self.reply)(result);
    }

    fn refuse(self: Box<Self>, error: Error) {
        (self.reply)(Err(error.during(self.operation)));
    }
}

fn panicked() -> Error {
    Error::new(Kind::Bug, "the server made a mistake").with("panicked", true)
}

fn not_run(operation: &'static str) -> Error {
    Error::new(Kind::Bug, "the server made a mistake")
        .during(operation)
        .with("job", "answered before it was run")
}
