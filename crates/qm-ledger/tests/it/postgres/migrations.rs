//! The schema is brought up to date by whoever comes first, and never taken over from another
//! program.

use qm_core::Kind;
use qm_ledger::PostgresLedger;
use tokio::join;

use super::cluster::{self, client, open, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_is_migrated_by_one_of_many() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let (one, two, three) = join!(
        open(&database, "one"),
        open(&database, "two"),
        open(&database, "three")
    );
    drop((one, two, three));
    let changes = [
        (
            "UPDATE migrations SET sha256 = 'other' WHERE number = 1",
            "differs from this one's",
        ),
        (
            "INSERT INTO migrations VALUES (9, 'next', '')",
            "made by a newer program",
        ),
    ];
    for (change, expect) in changes {
        client(&database).await.execute(change, &[]).await.unwrap();
        let refused = PostgresLedger::open(options(&database, "one")).await;
        let error = refused.err().unwrap();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.public_message().contains(expect), "{error:?}");
    }
}

/// Nothing of the connection string is in what is said of it.
#[tokio::test]
async fn connection_strings_are_secrets() {
    for text in [
        "host=a hunter2",
        "postgres://a:hunter2@b:port/c",
        "hunter2=1",
    ] {
        let options = options(text, "one");
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = PostgresLedger::open(options).await.err().unwrap();
        assert_eq!(error.kind(), Kind::Invalid, "{text}");
        assert!(!error.chain().contains("hunter2"));
    }
}
