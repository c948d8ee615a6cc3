//! Attempts that end while others are being recorded share a transaction.

use qm_core::delivery::DeliveryState;
use qm_core::ports::ledger::Deliveries as _;
use qm_testkit::ledger::sample::{claim, delivery, finish, minute, transition, upload_and_deliver};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::cluster::{self, client, open};
use crate::support::DEADLINE;

const COUNT: u8 = 128;
/// One that came first, all that came meanwhile, and what the machine did in between.
const TRANSACTIONS_MAX: i64 = 16;
const ANALYSED: u8 = 3;
const AT_ONCE: u32 = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// Every transaction leaves a number in the row of its session.
async fn transactions(database: &str) -> i64 {
    const SUM: &str = "SELECT coalesce(sum(number), 0)::bigint FROM commit_stamps";
    client(database)
        .await
        .query_one(SUM, &[])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_ends_share_transactions() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let ledger = Arc::new(open(&database, "node").await);
    for number in 1..=COUNT {
        upload_and_deliver(ledger.as_ref(), &number.to_string(), number).await;
    }
    let claimed = claim(ledger.as_ref(), 0, 999).await;
    assert_eq!(claimed.len(), usize::from(COUNT));
    let before = transactions(&database).await;
    let mut ends = JoinSet::new();
    for one in claimed {
        let ledger = Arc::clone(&ledger);
        ends.spawn(async move { finish(ledger.as_ref(), &one, DeliveryState::Delivered, 1).await });
    }
    ends.join_all().await;
    let count = transactions(&database).await - before;
    println!("{COUNT} ends in {count} transactions");
    assert!(count <= TRANSACTIONS_MAX, "{count}");
}

/// How many entries of lines the server has read that are not in the order of turns. What a session
/// reads is counted when it ends.
async fn lines_read(database: &str) -> i64 {
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND backend_type = 'client backend'";
    const READ: &str = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
         WHERE relname = 'lines' AND indexrelname NOT IN ('lines_pkey', 'lines_ready')";
    let client = client(database).await;
    let number = async |sql| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    let alone = async {
        while number(OTHERS).await > 0 {
            sleep(PAUSE).await;
        }
    };
    timeout(DEADLINE, alone).await.unwrap();
    number(READ).await
}

/// Before anybody has analysed anything, as when the first long line grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_claim_reads_no_more_than_it_takes() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let ledger = open(&database, "node").await;
    for number in 1..=COUNT {
        upload_and_deliver(&ledger, &number.to_string(), number).await;
        if number == ANALYSED {
            client(&database)
                .await
                .execute("ANALYZE", &[])
                .await
                .unwrap();
        }
    }
    drop(ledger);
    let before = lines_read(&database).await;
    let ledger = open(&database, "node").await;
    let mut claimed = 0;
    while claimed < usize::from(COUNT) {
        claimed += claim(&ledger, 0, AT_ONCE).await.len();
    }
    drop(ledger);
    let read = lines_read(&database).await - before;
    println!("{COUNT} claims read {read} entries of lines");
    assert!(read <= i64::from(COUNT), "{read}");
}

/// What was called is recorded, whether anybody waits for it or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_ends_outlive_their_callers() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let ledger = open(&database, "node").await;
    let id = upload_and_deliver(&ledger, "a", 1).await;
    let claimed = claim(&ledger, 0, 1).await;
    let delivered = transition(DeliveryState::Delivered, "note");
    {
        let mut ended = ledger.finish(&claimed[0], delivered, None, minute(1));
        tokio::select! {
            biased;
            _ = &mut ended => panic!("it was recorded without waiting for the server"),
            () = std::future::ready(()) => {}
        }
    }
    let recorded = async {
        let mut changes = ledger.changes();
        while delivery(&ledger, id).await.state != DeliveryState::Delivered {
            changes.changed().await.unwrap();
        }
    };
    timeout(DEADLINE, recorded).await.unwrap();
}
