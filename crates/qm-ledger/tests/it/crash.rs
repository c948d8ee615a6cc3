//! The node dies: at every commit of a workload the files are copied as they are at that moment,
//! right before and right after, and opened as a restart would.

use parking_lot::Mutex;
use qm_core::delivery::DeliveryState;
use qm_core::ports::ledger::{Audit as _, Ledger, Names as _};
use qm_ledger::{CommitStep, SqliteCommit};
use qm_testkit::ledger::sample::{audit, claim_and_finish, publish, run, upload_and_deliver};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::{open, open_with};

/// Copies the ledger and its log around each commit; the shared index of a live ledger is not
/// there after a crash of the machine, so it is not copied.
struct Copies {
    file: PathBuf,
    images: Mutex<Vec<PathBuf>>,
}

impl Copies {
    fn copy(&self) {
        let mut images = self.images.lock();
        let image = self.file.with_file_name(format!("image-{}", images.len()));
        std::fs::copy(&self.file, &image).unwrap();
        let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
        std::fs::copy(log(&self.file), log(&image)).unwrap();
        images.push(image);
    }
}

impl CommitStep for Copies {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.copy();
        SqliteCommit.commit(connection)?;
        self.copy();
        Ok(())
    }
}

/// One write after the other, so that each is a group.
async fn work(ledger: &dyn Ledger) {
    for number in 0..4 {
        upload_and_deliver(ledger, &format!("file-{number}"), number).await;
        ledger.append(audit("between")).await.unwrap();
    }
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    claim_and_finish(ledger, DeliveryState::Dead).await;
    run(ledger, publish("file-0", 9)).await;
}

/// Rows of all tables that only grow.
fn rows(file: &Path) -> i64 {
    let connection = Connection::open(file).unwrap();
    let check: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let broken: i64 = connection
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(broken, 0);
    connection
        .query_row(
            "SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM operations)
                 + (SELECT count(*) FROM arrivals) + (SELECT count(*) FROM deliveries)
                 + (SELECT count(*) FROM attempts)",
            [],
            |row| row.get(0),
        )
        .unwrap()
}

#[tokio::test]
async fn what_was_committed_is_whole_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let step = Arc::new(Copies {
        file: file.clone(),
        images: Mutex::default(),
    });
    let ledger = open_with(&file, step.clone());
    work(&ledger).await;
    drop(ledger);
    let images = step.images.lock().clone();
    assert!(images.len() > 30, "{} images", images.len());
    let mut last = 0;
    for pair in images.chunks(2) {
        let (before, after) = (rows(&pair[0]), rows(&pair[1]));
        assert_eq!(before, last, "before its commit a group does not count");
        assert!(after >= before);
        last = after;
    }
    assert_eq!(rows(&file), last);

    // Each of them is a ledger that goes on.
    for image in images {
        let ledger = open(&image);
        for operation in ledger.pending().await.unwrap() {
            ledger.complete(&operation).await.unwrap();
        }
        run(&ledger, publish("file-0", 99)).await;
        ledger.append(audit("after")).await.unwrap();
    }
}
