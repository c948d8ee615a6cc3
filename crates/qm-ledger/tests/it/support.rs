//! Ledgers in folders of their own, and commit steps that do not work.

use parking_lot::{Condvar, Mutex};
use qm_ledger::{CommitStep, SqliteCommit, SqliteLedger, SqliteOptions};
use rusqlite::Connection;
use rusqlite::ffi;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A test that waits longer than this has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn open(file: &Path) -> SqliteLedger {
    SqliteLedger::open(file, SqliteOptions::default()).unwrap()
}

pub(crate) fn open_with(file: &Path, commit: Arc<dyn CommitStep>) -> SqliteLedger {
    let options = SqliteOptions {
        commit,
        ..SqliteOptions::default()
    };
    SqliteLedger::open(file, options).unwrap()
}

/// What a commit does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    Works,
    /// The error comes and nothing counts.
    FailsBefore(i32),
    /// It counts, and the error comes all the same.
    FailsAfter(i32),
}

/// Follows the plan, one entry a group, and works when the plan is at its end.
#[derive(Default)]
pub(crate) struct Planned {
    plan: Mutex<VecDeque<Plan>>,
    commits: Mutex<u32>,
}

impl Planned {
    pub(crate) fn new(plan: &[Plan]) -> Arc<Self> {
        Arc::new(Self {
            plan: Mutex::new(plan.iter().copied().collect()),
            commits: Mutex::new(0),
        })
    }

    pub(crate) fn commits(&self) -> u32 {
        *self.commits.lock()
    }
}

impl CommitStep for Planned {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        *self.commits.lock() += 1;
        let plan = self.plan.lock().pop_front();
        match plan.unwrap_or(Plan::Works) {
            Plan::Works => SqliteCommit.commit(connection),
            Plan::FailsBefore(code) => Err(failure(code)),
            Plan::FailsAfter(code) => {
                SqliteCommit.commit(connection)?;
                Err(failure(code))
            }
        }
    }
}

pub(crate) fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("put in by a test".to_owned()))
}

/// A commit that stands still until it is told, so that a test decides what gathers behind it.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    commits: u32,
    is_closed: bool,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
    }

    pub(crate) fn open(&self) {
        self.state.lock().is_closed = false;
        self.changed.notify_all();
    }

    pub(crate) fn commits(&self) -> u32 {
        self.state.lock().commits
    }

    /// Waits until so many commits have been begun.
    pub(crate) fn wait_for_commits(&self, count: u32) {
        let mut state = self.state.lock();
        let is_short = |state: &mut GateState| state.commits < count;
        let waited = self.changed.wait_while_for(&mut state, is_short, DEADLINE);
        assert!(!waited.timed_out(), "{} commits", state.commits);
    }
}

impl CommitStep for Gate {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut state = self.state.lock();
        state.commits += 1;
        self.changed.notify_all();
        self.changed
            .wait_while_for(&mut state, |state| state.is_closed, DEADLINE);
        drop(state);
        SqliteCommit.commit(connection)
    }
}
