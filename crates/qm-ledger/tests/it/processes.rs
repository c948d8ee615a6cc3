//! Two ledgers on one file, as the node and the command line have it.

use qm_core::Kind;
use qm_core::ports::ledger::{Audit as _, Revisions as _};
use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_testkit::ledger::sample::{audit, minute};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{DEADLINE, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_write_and_nothing_is_lost() {
    const EACH: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledgers = [Arc::new(open(&file)), Arc::new(open(&file))];
    let writers = ledgers.clone().map(|ledger| {
        tokio::spawn(async move {
            for number in 0..EACH {
                ledger.append(audit(&number.to_string())).await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    for ledger in ledgers {
        let records = ledger.audit(9_999).await.unwrap();
        let seqs: BTreeSet<i64> = records.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(records.len(), 2 * EACH);
        assert_eq!(seqs.len(), 2 * EACH);
    }
}

#[tokio::test]
async fn a_row_of_another_process_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let node = open(&file);
    let mut changes = node.changes();
    let command = open(&file);
    let applied = command.apply("new".to_owned(), audit("new"), minute(0));
    let applied = applied.await.unwrap();
    drop(command);
    let looked = async {
        while node.revision().await.unwrap().as_ref() != Some(&applied) {
            changes.changed().await.unwrap();
        }
        changes.changed().await.unwrap();
    };
    tokio::time::timeout(DEADLINE, looked).await.unwrap();
}

/// Several first starts at once: one makes the ledger, all have it.
#[test]
fn all_may_be_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(open(&file)));
        }
    });
}

fn open_after(change: &str) -> qm_core::Error {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    drop(open(&file));
    Connection::open(&file)
        .unwrap()
        .execute_batch(change)
        .unwrap();
    SqliteLedger::open(&file, SqliteOptions::default())
        .err()
        .expect("refused")
}

#[test]
fn a_ledger_of_another_program_is_refused() {
    let edited = open_after("UPDATE migrations SET sha256 = 'x' WHERE number = 1");
    assert_eq!(edited.kind(), Kind::Conflict);
    assert!(
        edited.public_message().contains("migration 1"),
        "{edited:?}"
    );
    let newer = open_after("INSERT INTO migrations VALUES (99, 'later', 'x')");
    assert_eq!(newer.kind(), Kind::Conflict);
    assert!(
        newer.public_message().contains("newer program"),
        "{newer:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    std::fs::write(
        &file,
        "this is no ledger, and long enough to be looked at as one",
    )
    .unwrap();
    let foreign = SqliteLedger::open(&file, SqliteOptions::default());
    let foreign = foreign.err().expect("refused");
    assert_eq!(foreign.kind(), Kind::Unavailable);
    assert!(foreign.remedy().is_some());
}
