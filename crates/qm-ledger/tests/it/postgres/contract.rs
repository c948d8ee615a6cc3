//! The contract that every ledger keeps, and the one of those that nodes share.

use qm_core::ports::ledger::Ledger;
use qm_testkit::contract::ledger::{CASES, shared};
use qm_testkit::ledger::sample::node;
use std::sync::Arc;

use super::cluster::{self, client, open};

/// A ledger's tables need no database of their own.
async fn schema(connection: &str, name: &str) -> String {
    let make = format!("CREATE SCHEMA \"{name}\"");
    client(connection).await.batch_execute(&make).await.unwrap();
    format!("{connection} options='-c search_path=\"{name}\"'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_ledger() {
    let cluster = cluster::shared();
    let database = cluster.database();
    for case in CASES {
        let connection = schema(&database, case.name).await;
        let ledger = open(&connection, node().as_str()).await;
        println!("{}", case.name);
        case.run(&ledger).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_ledger_of_two_nodes() {
    let cluster = cluster::shared();
    let database = cluster.database();
    for case in shared::CASES {
        let connection = schema(&database, case.name).await;
        let first: Arc<dyn Ledger> = Arc::new(open(&connection, shared::one().as_str()).await);
        let second: Arc<dyn Ledger> = Arc::new(open(&connection, shared::two().as_str()).await);
        let expire = move || {
            let connection = connection.clone();
            let expired = async move {
                let over = "UPDATE nodes SET alive_until = clock_timestamp() WHERE name = 'one'";
                let changed = client(&connection).await.execute(over, &[]).await;
                assert_eq!(changed.unwrap(), 1);
            };
            Box::pin(expired) as qm_core::ports::BoxFuture<()>
        };
        println!("{}", case.name);
        let pair = shared::Pair {
            first,
            second,
            expire: Box::new(expire),
        };
        case.run(&pair).await;
    }
}
