//! When the power goes, and what that leaves of a ledger: every commit that returned, and nothing
//! behind it.

use parking_lot::Mutex;
use rusqlite::{Connection, ffi};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::disk::{ForgetfulDisk, OnCut};
use super::random::Random;
use qm_core::ports::ledger::Ledger;
use qm_e2e::wait::until_true;
use qm_ledger::{CommitStep, SqliteCommit, SqliteLedger, SqliteOptions};
use qm_testkit::MemoryLedger;

/// When the power goes.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    AtDiskOperation(u64),
    /// That write is not done any more, or it is done and nobody hears of it.
    AtLedgerWrite {
        writes: u64,
        is_done: bool,
    },
}

impl Cut {
    pub(super) fn any(random: &mut Random) -> Self {
        if random.one_in(2) {
            Self::AtDiskOperation(random.below(160))
        } else {
            Self::AtLedgerWrite {
                writes: random.below(40),
                is_done: random.one_in(2),
            }
        }
    }
}

pub(super) enum CutLedger {
    /// When its writes run out the disk lives on, as when only COMMIT fails.
    InMemory(MemoryLedger),
    /// The real one: with its commits the disk goes, and all that runs.
    InFile {
        power: Arc<Power>,
        ledger: Arc<SqliteLedger>,
        folder: TempDir,
    },
}

impl CutLedger {
    pub(super) fn in_memory() -> Self {
        Self::InMemory(MemoryLedger::new())
    }

    pub(super) fn in_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (power, ledger) = open(folder.path());
        Self::InFile {
            power,
            ledger,
            folder,
        }
    }

    pub(super) fn port(&self) -> Arc<dyn Ledger> {
        match self {
            Self::InMemory(ledger) => Arc::new(ledger.clone()),
            Self::InFile { ledger, .. } => Arc::clone(ledger) as Arc<dyn Ledger>,
        }
    }

    /// The power goes when so many more writes were done; in a file, `is_done` says whether the one
    /// behind them is as well.
    pub(super) fn cut_after(&self, writes: u64, is_done: bool, disk: &ForgetfulDisk) {
        match self {
            Self::InMemory(ledger) => ledger.fail_after(Some(writes)),
            Self::InFile { power, .. } => {
                *power.disk.lock() = Some(disk.clone());
                *power.is_done.lock() = is_done;
                *power.commits_left.lock() = Some(writes);
            }
        }
    }

    /// For the disk, to tell that the power is gone.
    pub(super) fn switch(&self) -> OnCut {
        match self {
            Self::InMemory(ledger) => {
                let ledger = ledger.clone();
                Box::new(move || ledger.fail_after(Some(0)))
            }
            Self::InFile { power, .. } => {
                let power = Arc::clone(power);
                Box::new(move || power.cut())
            }
        }
    }

    /// Told when the power of the one in a file is gone.
    pub(super) fn gone(&self) -> Arc<Notify> {
        match self {
            Self::InMemory(_) => Arc::default(),
            Self::InFile { power, .. } => Arc::clone(&power.gone),
        }
    }

    /// The next start's.
    pub(super) fn after_power_cut(&mut self) {
        match self {
            Self::InMemory(ledger) => *ledger = MemoryLedger::from_state(ledger.snapshot()),
            Self::InFile {
                power,
                ledger,
                folder,
            } => {
                // What waits for a commit hears that there is none, and lets go.
                let is_left = || Ok(Arc::strong_count(ledger) == 1);
                until_true("nobody has the old ledger", is_left).unwrap();
                (*power, *ledger) = open(folder.path());
            }
        }
    }
}

fn open(folder: &Path) -> (Arc<Power>, Arc<SqliteLedger>) {
    let power = Arc::new(Power::default());
    let options = SqliteOptions {
        commit: power.clone(),
        // The power of this machine stays: what SQLite wrote is there.
        is_durable: false,
        ..SqliteOptions::default()
    };
    let ledger = SqliteLedger::open(&folder.join("ledger.sqlite"), options).unwrap();
    (power, Arc::new(ledger))
}

#[derive(Default)]
pub(super) struct Power {
    /// Never held while the disk is asked: the disk calls [`Self::cut`].
    commits_left: Mutex<Option<u64>>,
    /// Whether the commit that meets the cut is in the file all the same.
    is_done: Mutex<bool>,
    disk: Mutex<Option<ForgetfulDisk>>,
    gone: Arc<Notify>,
}

impl Power {
    fn cut(&self) {
        *self.commits_left.lock() = Some(0);
        self.gone.notify_one();
    }

    fn take_commit(&self) -> bool {
        match self.commits_left.lock().as_mut() {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl CommitStep for Power {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.take_commit() {
            return SqliteCommit.commit(connection);
        }
        // Nothing is behind it.
        if std::mem::take(&mut *self.is_done.lock()) {
            SqliteCommit.commit(connection)?;
        }
        if let Some(disk) = &*self.disk.lock() {
            disk.cut();
        }
        self.gone.notify_one();
        Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_IOERR),
            None,
        ))
    }
}
