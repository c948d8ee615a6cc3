//! Jobs that break, beside jobs that do not.

use qm_core::ports::ledger::Audit as _;
use qm_core::{Error, Kind};
use qm_testkit::ledger::sample::audit;

use crate::sqlite::fault::Sql;
use crate::sqlite::statements::{Statements as _, only};
use crate::{SqliteLedger, SqliteOptions};

fn open(folder: &tempfile::TempDir) -> SqliteLedger {
    let file = folder.path().join("ledger.sqlite");
    SqliteLedger::open(&file, SqliteOptions::default()).unwrap()
}

const ROWS: &str = "SELECT count(*) FROM audit";

#[tokio::test]
async fn a_broken_job_leaves_no_row_and_the_thread_lives() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder);
    let append = |c: &rusqlite::Connection| crate::sqlite::audit::append(c, &audit("half"));
    let panics = ledger.write("panic", move |c| -> Sql<()> {
        append(c)?;
        panic!("a bug in a job");
    });
    let refuses = ledger.write("refuse", move |c| -> Sql<()> {
        append(c)?;
        Err(Error::new(Kind::Conflict, "not now").into())
    });
    let violates = ledger.write("violate", move |c| {
        append(c)?;
        c.run(
            "INSERT INTO attempts (delivery, number, began_at) VALUES (9, 9, 9)",
            [],
        )
    });
    let good = ledger.append(audit("good"));
    assert_eq!(panics.await.unwrap_err().kind(), Kind::Bug);
    let refused = refuses.await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(
        refused.chain().starts_with("refuse: not now"),
        "{refused:?}"
    );
    assert_eq!(violates.await.unwrap_err().kind(), Kind::Bug);
    good.await.unwrap();
    let rows: Option<i64> = ledger
        .read("count", |c| c.first(ROWS, [], only::value))
        .await
        .unwrap();
    assert_eq!(rows, Some(1));
}

/// The first of a group fails with its whole transaction, a later one only to its savepoint.
#[tokio::test]
async fn a_broken_job_takes_nobody_along_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder);
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let holds = ledger.write("hold", move |_| {
        let _gone_or_told = held.recv();
        Ok(())
    });
    let append = |name: &'static str| {
        ledger.write("append", move |c| {
            crate::sqlite::audit::append(c, &audit(name))
        })
    };
    let refuse = |name: &'static str| {
        ledger.write("refuse", move |c| -> Sql<()> {
            crate::sqlite::audit::append(c, &audit(name))?;
            Err(Error::new(Kind::Conflict, "not now").into())
        })
    };
    let (first, one) = (refuse("first"), append("one"));
    let (second, two) = (refuse("second"), append("two"));
    go_on.send(()).unwrap();
    holds.await.unwrap();
    first.await.unwrap_err();
    second.await.unwrap_err();
    one.await.unwrap();
    two.await.unwrap();
    let subjects = ledger.audit(9).await.unwrap();
    let subjects: Vec<_> = subjects.iter().map(|(_, r)| r.subject.as_str()).collect();
    assert_eq!(subjects, [audit("two").subject, audit("one").subject]);
}

#[tokio::test]
async fn a_reader_cannot_write_and_survives_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder);
    let write = ledger
        .read("write", |c| c.run("DELETE FROM audit", []))
        .await;
    assert_eq!(write.unwrap_err().kind(), Kind::Unavailable);
    for _ in 0..9 {
        let panicked = ledger.read("panic", |_| -> Sql<()> { panic!("a bug in a look") });
        assert_eq!(panicked.await.unwrap_err().kind(), Kind::Bug);
    }
    assert!(ledger.audit(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn jobs_run_in_the_order_of_their_calls() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder);
    let jobs: Vec<_> = (0..2_000_i64)
        .map(|expect| {
            ledger.write("count", move |c| {
                crate::sqlite::audit::append(c, &audit("one"))?;
                let rows: Option<i64> = c.first(ROWS, [], only::value)?;
                assert_eq!(rows, Some(expect + 1));
                Ok(())
            })
        })
        .collect();
    for job in jobs.into_iter().rev() {
        job.await.unwrap();
    }
}
