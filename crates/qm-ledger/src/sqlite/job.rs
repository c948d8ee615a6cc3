//! Jobs of the writer: a closure over the connection and somebody who waits for its result.

use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::fault::{Fault, Sql};

/// Who waits for the job's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// Somebody outside may: it goes before what nobody outside waits for.
    Now,
    /// A part of ours that has all at once and waits for all: the job is begun at once, but a
    /// client's goes before it.
    InTurn,
    /// Nobody: the job goes with the next one that cannot wait.
    WithTheNext,
}

/// Who is woken when the rows that the job changed are durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wakes {
    /// Whoever listens: the rows may be work.
    Everybody,
    /// Nobody: no scan would find anything to do.
    Nobody,
}

/// How a job is treated. A new kind of job that says nothing waits for nobody and wakes everybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Manner {
    pub(super) urgency: Urgency,
    pub(super) wakes: Wakes,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            urgency: Urgency::Now,
            wakes: Wakes::Everybody,
        }
    }
}

/// One transaction of a caller, boxed for the queue.
pub(super) trait Job: Send {
    /// How it is treated.
    fn manner(&self) -> Manner;

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
    manner: Manner,
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
    pub(super) fn new(operation: &'static str, manner: Manner, work: W, reply: R) -> Self {
        Self {
            operation,
            manner,
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
    fn manner(&self) -> Manner {
        self.manner
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
