//! COMMIT fails while uploads are closed: what is answered is what is so.

use parking_lot::Mutex;
use rusqlite::{Connection, ffi};
use std::sync::Arc;

use super::{CREATE, Fixed, bucket_name, chunk, mailbox, path};
use qm_core::account::Verb;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::bucket::Bucket;
use qm_core::ports::ledger::Names as _;
use qm_ledger::{CommitStep, SqliteCommit, SqliteLedger, SqliteOptions};
use qm_store::{DirectoryBucket, Durability};

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing was committed.
    Before,
    /// All was committed, and the error is a lie.
    After,
}

/// Fails the next commit, once.
#[derive(Default)]
struct Faulty(Mutex<Option<Fault>>);

impl CommitStep for Faulty {
    fn commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        let fault = self.0.lock().take();
        if !matches!(fault, Some(Fault::Before)) {
            SqliteCommit.commit(connection)?;
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_IOERR),
                None,
            )),
        }
    }
}

#[tokio::test]
async fn a_failing_commit_at_close_tells_the_truth() {
    for fault in [Fault::Before, Fault::After] {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("bucket");
        let bucket: Arc<dyn Bucket> =
            Arc::new(DirectoryBucket::open(&tree, Durability::Full).unwrap());
        let step = Arc::new(Faulty::default());
        let options = SqliteOptions {
            commit: step.clone(),
            ..SqliteOptions::default()
        };
        let ledger =
            Arc::new(SqliteLedger::open(&folder.path().join("ledger.sqlite"), options).unwrap());
        let rules = Fixed {
            may: Verb::ALL.into(),
            types: None,
            declare: vec![],
        };
        let mailbox = mailbox(bucket, ledger.clone(), rules).await;
        for (text, is_faulty) in [("first", false), ("second", true), ("third", false)] {
            let mut upload = mailbox.write(&path("a.csv"), CREATE).await.unwrap();
            upload.write(vec![chunk(0, text)]).await.unwrap();
            // Whoever comes next waits for what the last one left to be recorded.
            while !ledger.pending().await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            *step.0.lock() = is_faulty.then_some(fault);
            let answer = upload.commit().await;
            let is_lost = is_faulty && matches!(fault, Fault::Before);
            assert_eq!(answer.is_err(), is_lost, "{fault:?} {text}");
            let shown = std::fs::read_to_string(tree.join("a.csv")).unwrap();
            assert_eq!(shown, if is_lost { "first" } else { text }, "{fault:?}");
        }
        while !ledger.pending().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let a = ObjectPath {
            bucket: bucket_name(),
            key: ObjectKey::parse("a.csv").unwrap(),
        };
        assert_eq!(ledger.current(&a).await.unwrap().unwrap().size_bytes, 5);
    }
}
