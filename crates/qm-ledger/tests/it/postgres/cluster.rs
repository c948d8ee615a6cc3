//! Sessions and ledgers of the server that the tests share.

use qm_core::id::NodeName;
use qm_core::ports::access::Secret;
use qm_ledger::{PostgresLedger, PostgresOptions};
pub(crate) use qm_testkit::outside::postgres::{Cluster, over, shared};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

/// Longer than any test takes.
pub(crate) const LEASE: Duration = Duration::from_mins(10);

/// A session of the tests' own.
pub(crate) async fn client(connection: &str) -> Client {
    let (client, line) = tokio_postgres::connect(connection, NoTls).await.unwrap();
    tokio::spawn(async move { drop(line.await) });
    client
}

pub(crate) fn options(connection: &str, node: &str) -> PostgresOptions {
    PostgresOptions {
        lease: LEASE,
        connections: 8,
        ..PostgresOptions::new(
            Secret::new(connection.to_owned()),
            NodeName::parse(node).unwrap(),
        )
    }
}

pub(crate) async fn open(connection: &str, node: &str) -> PostgresLedger {
    PostgresLedger::open(options(connection, node))
        .await
        .unwrap()
}
