//! The writer: takes all that waits, commits it at once, answers. Nobody's answer waits for a timer:
//! while one group is made durable the next one gathers. Only jobs that no answer waits for wait
//! a moment for company.
//!
//! Whoever may block and finds nobody committing makes the group himself, which saves waking the
//! writer's thread and being woken by it; the thread makes all others.

use parking_lot::{Condvar, Mutex};
use qm_core::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

use super::CommitStep;
use super::connection::{Missing, data_version, open_writer};
use super::fault::{Sql, unavailable};
use super::group::{GroupEnd, Stamp, run_group};
use super::job::{Job, Urgency, Wakes};
use super::queue::{Commit, Maker, Next, Queue, closed};

/// How soon a row that another process wrote is noticed; the price is one read of a page header.
const FOREIGN_CHANGE_POLL: Duration = Duration::from_millis(200);
/// A commit that takes less waits for no disk.
const CHEAP_COMMIT_MICROS: u64 = 500;
/// Pauses between tries to open the ledger again.
const REOPEN_PAUSE_MIN: Duration = Duration::from_millis(20);
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Dropped, it ends the thread when all that waits is done.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    changes: watch::Sender<u64>,
}

struct Shared {
    queue: Queue,
    /// Held by the one who makes a group.
    committer: Mutex<Committer>,
    closing: Arc<Closing>,
}

/// Told when nobody will wait for the writer any more.
#[derive(Default)]
struct Closing {
    is_closing: Mutex<bool>,
    told: Condvar,
}

impl Writer {
    /// Starts the thread on an open connection. `name` is this writer's alone.
    pub(super) fn start(
        file: PathBuf,
        name: String,
        connection: Connection,
        commit: Arc<dyn CommitStep>,
    ) -> Result<Self> {
        let closing = Arc::new(Closing::default());
        let changes = watch::Sender::new(0);
        let foreign = data_version(&connection)
            .map_err(|fault| fault.into_error("start the ledger's writer"))?;
        let committer = Committer {
            file,
            name,
            connection: Some(connection),
            commit: Timed::new(commit),
            closing: Arc::clone(&closing),
            changes: changes.clone(),
            groups: 0,
            foreign,
            looked_at: Instant::now(),
        };
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            committer: Mutex::new(committer),
            closing,
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || of_thread.run())
            .map_err(|e| Error::io("start the ledger's writer", e))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            changes,
        })
    }

    /// Enqueues now; jobs run in the order of these calls.
    pub(super) fn enqueue(&self, job: Box<dyn Job>) {
        let urgency = job.manner().urgency;
        if let Err((job, error)) = self.shared.queue.push(job) {
            return job.refuse(error);
        }
        if urgency == Urgency::Now
            && qm_threads::may_block()
            && let Some(mut committer) = self.shared.committer.try_lock()
        {
            // Whoever came meanwhile has told the thread.
            let cost = committer.commit.cost();
            let jobs = self.shared.queue.take(cost, Maker::Caller);
            return committer.run_jobs(jobs);
        }
        self.shared.queue.tell(urgency);
    }

    /// Counts up with every commit that may be work, here, and with every one of another process.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.close();
        *self.shared.closing.is_closing.lock() = true;
        self.shared.closing.told.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer ended by a panic");
        }
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let next = self.queue.wait(FOREIGN_CHANGE_POLL);
            let mut committer = self.committer.lock();
            match next {
                Next::Group => {
                    let jobs = self.queue.take(committer.commit.cost(), Maker::Thread);
                    committer.run_jobs(jobs);
                }
                Next::Nothing => {}
                Next::End => return,
            }
            if committer.looked_at.elapsed() >= FOREIGN_CHANGE_POLL {
                committer.look_for_foreign_changes();
            }
        }
    }
}

/// The step that makes a group durable, and how long it took the last time.
struct Timed {
    step: Arc<dyn CommitStep>,
    took_micros: AtomicU64,
}

impl Timed {
    fn new(step: Arc<dyn CommitStep>) -> Self {
        Self {
            step,
            took_micros: AtomicU64::new(u64::MAX),
        }
    }

    fn cost(&self) -> Commit {
        if self.took_micros.load(Ordering::Relaxed) < CHEAP_COMMIT_MICROS {
            Commit::Cheap
        } else {
            Commit::Dear
        }
    }
}

impl CommitStep for Timed {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        let began = Instant::now();
        let committed = self.step.commit(connection);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.took_micros.store(took, Ordering::Relaxed);
        committed
    }
}

/// What makes groups.
struct Committer {
    file: PathBuf,
    name: String,
    /// `None` only while it is opened again.
    connection: Option<Connection>,
    commit: Timed,
    closing: Arc<Closing>,
    changes: watch::Sender<u64>,
    /// Groups begun; also the number of the last one.
    groups: i64,
    /// The last data version seen.
    foreign: i64,
    looked_at: Instant,
}

impl Committer {
    fn run_jobs(&mut self, jobs: Vec<Box<dyn Job>>) {
        let mut waiting = jobs.into_iter();
        while waiting.len() > 0 {
            let Some(connection) = &self.connection else {
                return refuse_all(waiting, &closed());
            };
            self.groups += 1;
            let stamp = Stamp {
                writer: &self.name,
                number: self.groups,
            };
            let mut done = Vec::with_capacity(waiting.len());
            match run_group(connection, &stamp, &self.commit, &mut waiting, &mut done) {
                GroupEnd::Committed { wakes } => self.answer(done, wakes),
                GroupEnd::RolledBack(fault) => {
                    let error = fault.into_error("commit a group");
                    let (cause, jobs) = (error.chain(), done.len());
                    tracing::error!(cause, jobs, "ledger group rolled back");
                    refuse_all(done, &error);
                }
                GroupEnd::Unknown(error) => {
                    tracing::error!(%error, jobs = done.len(), "ledger commit failed");
                    match self.find_out() {
                        Some(true) => self.answer(done, Wakes::Everybody),
                        Some(false) => refuse_all(done, &unavailable().with("cause", error)),
                        None => refuse_all(done, &closed()),
                    }
                }
            }
        }
    }

    fn answer(&self, jobs: Vec<Box<dyn Job>>, wakes: Wakes) {
        // Before the answers: who was answered may rely on the others having been woken.
        match wakes {
            Wakes::Everybody => self.announce(),
            Wakes::Nobody => {}
        }
        for job in jobs {
            job.answer();
        }
    }

    /// Whether the last group counts. Nobody is answered and nothing else is written until the
    /// file can say so; `None` if the ledger is closed first.
    fn find_out(&mut self) -> Option<bool> {
        drop(self.connection.take());
        let mut pause = REOPEN_PAUSE_MIN;
        loop {
            match self.reopen() {
                Ok((connection, is_committed)) => {
                    self.connection = Some(connection);
                    tracing::info!(is_committed, "ledger works again");
                    return Some(is_committed);
                }
                Err(error) => {
                    tracing::warn!(cause = error.chain(), "ledger does not work yet");
                }
            }
            if self.closing.is_told_within(pause) {
                return None;
            }
            pause = (pause * 2).min(REOPEN_PAUSE_MAX);
        }
    }

    fn reopen(&self) -> Result<(Connection, bool)> {
        let mut connection = open_writer(&self.file, Missing::Refuse)?;
        let is_committed = self
            .settle(&mut connection)
            .map_err(|fault| fault.into_error("look whether a group counts"))?;
        Ok((connection, is_committed))
    }

    /// Reads whether the group counts and makes the answer final. The log may hold the frames of
    /// a group whose sync failed: a commit written in their place takes them away, so that a
    /// crash cannot bring back what was refused.
    fn settle(&self, connection: &mut Connection) -> Sql<bool> {
        let stamp = Stamp {
            writer: &self.name,
            number: self.groups,
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_committed = stamp.is_committed(&transaction)?;
        let settled = Stamp {
            writer: &self.name,
            number: if is_committed { self.groups } else { 0 },
        };
        settled.write_anew(&transaction)?;
        transaction.commit()?;
        if is_committed {
            // What a failed sync has lost of the log is written once more, into the file itself.
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
        Ok(is_committed)
    }

    fn look_for_foreign_changes(&mut self) {
        self.looked_at = Instant::now();
        let Some(connection) = &self.connection else {
            return;
        };
        match data_version(connection) {
            Ok(found) if found == self.foreign => {}
            Ok(found) => {
                self.foreign = found;
                self.announce();
            }
            Err(fault) => {
                let cause = fault.into_error("look for changes").chain();
                tracing::warn!(cause, "ledger cannot be watched");
            }
        }
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Closing {
    fn is_told_within(&self, pause: Duration) -> bool {
        let mut is_closing = self.is_closing.lock();
        if !*is_closing {
            self.told.wait_for(&mut is_closing, pause);
        }
        *is_closing
    }
}

/// The same refusal for everybody.
fn refuse_all(jobs: impl IntoIterator<Item = Box<dyn Job>>, error: &Error) {
    for job in jobs {
        let refusal = Error::new(error.kind(), error.public_message());
        job.refuse(
            refusal
                .retry(error.retry_verdict())
                .with("cause", error.chain()),
        );
    }
}
