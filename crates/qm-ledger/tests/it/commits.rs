//! COMMIT fails: the caller is told the truth, and the next one is served.

use parking_lot::Mutex;
use qm_core::ports::ledger::{Arrivals as _, Audit as _, Names as _};
use qm_core::{Kind, Retry};
use qm_ledger::{CommitStep, SqliteCommit};
use qm_testkit::ledger::sample::{audit, publish};
use rusqlite::{Connection, ffi};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::support::{DEADLINE, Plan, Planned, failure, open, open_with};

/// One upload under the plan: what the caller is told, and what is there afterwards.
async fn check(plan: &[Plan], expect: Result<(), Kind>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = open_with(&file, Planned::new(plan));
    let recorded = ledger.record(publish("a", 1)).await;
    match (&recorded, expect) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(kind)) => {
            assert_eq!(error.kind(), kind, "{plan:?}: {error:?}");
            assert_eq!(error.retry_verdict(), Retry::Later, "{plan:?}");
        }
        (_, _) => panic!("{plan:?}: {recorded:?}"),
    }
    let count = usize::from(expect.is_ok());
    assert_eq!(ledger.pending().await.unwrap().len(), count, "{plan:?}");
    // The ledger goes on with the same seq, now and after a restart.
    let next = ledger.record(publish("b", 2)).await.unwrap();
    drop(ledger);
    let ledger = open(&file);
    let pending = ledger.pending().await.unwrap();
    assert_eq!(pending.len(), count + 1, "{plan:?}");
    assert_eq!(pending.last(), Some(&next), "{plan:?}");
    assert_eq!(ledger.latest(9).await.unwrap().len(), count + 1, "{plan:?}");
    assert_eq!(ledger.audit(9).await.unwrap().len(), count + 1, "{plan:?}");
}

#[tokio::test]
async fn the_caller_is_told_whether_it_counts() {
    use Plan::{FailsAfter, FailsBefore, Works};
    check(&[Works], Ok(())).await;
    let table = [
        (ffi::SQLITE_IOERR, Kind::Unavailable),
        (ffi::SQLITE_IOERR_FSYNC, Kind::Unavailable),
        (ffi::SQLITE_FULL, Kind::Limit),
        (ffi::SQLITE_BUSY, Kind::Unavailable),
    ];
    for (code, kind) in table {
        check(&[FailsBefore(code)], Err(kind)).await;
        check(&[FailsAfter(code)], Ok(())).await;
    }
}

#[tokio::test]
async fn failures_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let plan = [
        Plan::Works,
        Plan::FailsBefore(ffi::SQLITE_IOERR),
        Plan::FailsAfter(ffi::SQLITE_IOERR),
        Plan::FailsBefore(ffi::SQLITE_FULL),
        Plan::FailsAfter(ffi::SQLITE_IOERR),
        Plan::Works,
    ];
    let ledger = open_with(&file, Planned::new(&plan));
    let mut told = Vec::new();
    for number in 0..plan.len() {
        let record = audit(&number.to_string());
        if ledger.append(record).await.is_ok() {
            told.push(number.to_string());
        }
    }
    assert_eq!(told, ["0", "2", "4", "5"]);
    drop(ledger);
    let found = open(&file).audit(99).await.unwrap();
    let found: Vec<String> = found.into_iter().rev().map(|(_, r)| r.subject).collect();
    assert_eq!(found, told);
}

/// A group whose sync failed may have left its pages in the log, whole: only what is written in their
/// place keeps a crash from bringing back what was refused. Also the second time, when there is nothing
/// new to say.
#[tokio::test]
async fn every_refusal_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let plan = [Plan::FailsBefore(ffi::SQLITE_IOERR_FSYNC); 3];
    let ledger = open_with(&file, Planned::new(&plan));
    let beside = Connection::open(&file).unwrap();
    let version = || -> i64 {
        beside
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .unwrap()
    };
    for number in 0..plan.len() {
        let before = version();
        ledger.append(audit("refused")).await.unwrap_err();
        assert_ne!(version(), before, "refusal {number}");
    }
}

/// Takes the file away and fails: nothing can be opened until it is back.
struct TakesAway {
    file: PathBuf,
    taken: SyncSender<()>,
    times: Mutex<u32>,
}

impl TakesAway {
    fn new(file: &std::path::Path) -> (Arc<Self>, Receiver<()>) {
        let (taken, is_taken) = sync_channel(1);
        let step = Self {
            file: file.to_owned(),
            taken,
            times: Mutex::new(1),
        };
        (Arc::new(step), is_taken)
    }
}

fn elsewhere(file: &std::path::Path) -> PathBuf {
    file.with_extension("taken")
}

impl CommitStep for TakesAway {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut times = self.times.lock();
        if *times == 0 {
            return SqliteCommit.commit(connection);
        }
        *times -= 1;
        std::fs::rename(&self.file, elsewhere(&self.file)).unwrap();
        self.taken.send(()).unwrap();
        Err(failure(ffi::SQLITE_IOERR))
    }
}

#[tokio::test]
async fn callers_wait_until_the_file_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let (step, is_taken) = TakesAway::new(&file);
    let ledger = open_with(&file, step);
    let refused = ledger.append(audit("lost"));
    let waiting = ledger.append(audit("kept"));
    is_taken.recv_timeout(DEADLINE).unwrap();
    std::fs::rename(elsewhere(&file), &file).unwrap();
    let outcomes = (refused.await, waiting.await);
    let found = ledger.audit(9).await.unwrap();
    let found: Vec<String> = found.into_iter().map(|(_, r)| r.subject).collect();
    // The second may have been in the group of the first.
    match outcomes {
        (Err(first), Ok(())) => {
            assert_eq!(first.kind(), Kind::Unavailable);
            assert_eq!(found, ["kept"]);
        }
        (Err(first), Err(second)) => {
            assert_eq!([first.kind(), second.kind()], [Kind::Unavailable; 2]);
            assert!(found.is_empty());
        }
        (Ok(()), _) => panic!("nothing of the first group counts"),
    }
    ledger.append(audit("after")).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_never_works_again_can_be_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let (step, is_taken) = TakesAway::new(&file);
    let ledger = open_with(&file, step);
    let refused = ledger.append(audit("lost"));
    is_taken.recv_timeout(DEADLINE).unwrap();
    let waiting = ledger.append(audit("never"));
    drop(ledger);
    for outcome in [refused.await, waiting.await] {
        assert_eq!(outcome.unwrap_err().kind(), Kind::Unavailable);
    }
    assert!(!file.exists(), "no empty ledger is made in its place");
}

/// The file may not grow beyond what it has: SQLite gives up in the middle of a group.
struct Fills(Mutex<bool>);

impl CommitStep for Fills {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        SqliteCommit.commit(connection)?;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = if *self.0.lock() { pages } else { 1_000_000 };
        connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
    }
}

#[tokio::test]
async fn a_full_disk_is_a_limit_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let step = Arc::new(Fills(Mutex::new(true)));
    let ledger = open_with(&file, step.clone());
    ledger.append(audit("before")).await.unwrap();
    let large = "x".repeat(100_000);
    let mut group: Vec<_> = (0..20).map(|_| ledger.append(audit(&large))).collect();
    group.push(ledger.append(audit("small")));
    let mut kept = 1;
    for outcome in group {
        match outcome.await {
            Ok(()) => kept += 1,
            Err(error) => assert!(
                [Kind::Limit, Kind::Unavailable].contains(&error.kind()),
                "{error:?}"
            ),
        }
    }
    assert!(kept < 22, "the large ones cannot have fitted");
    assert_eq!(ledger.audit(99).await.unwrap().len(), kept);
    // Space is found by a commit that needs none.
    *step.0.lock() = false;
    let mut is_free = false;
    for _ in 0..100 {
        is_free |= ledger.append(audit("s")).await.is_ok();
    }
    assert!(is_free);
    ledger.append(audit(&large)).await.unwrap();
}
