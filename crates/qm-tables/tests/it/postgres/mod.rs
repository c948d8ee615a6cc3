//! A `PostgreSQL` server, beside the suite: lines that break, columns that are narrower than their
//! declaration, others that write.

mod columns;
mod cuts;
mod triggers;
mod turns;

use async_trait::async_trait;
use qm_core::config::TableEngine;
use qm_core::ports::access::Secret;
use qm_testkit::outside::postgres::{Cluster, shared};
use std::sync::Arc;
use tokio_postgres::{Client, NoTls};

use crate::suite::{self, Ability, Database, Found};

pub(crate) struct Server {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) connection: String,
    /// By which way loads connect; the same unless a test says otherwise.
    pub(crate) way: String,
}

impl Server {
    pub(crate) fn new() -> Self {
        let cluster = shared();
        let connection = cluster.database();
        Self {
            cluster,
            way: connection.clone(),
            connection,
        }
    }

    /// A session of the tests' own.
    pub(crate) async fn client(&self) -> Client {
        let connected = tokio_postgres::connect(&self.connection, NoTls).await;
        let (client, line) = connected.unwrap();
        tokio::spawn(async move { drop(line.await) });
        client
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }
}

#[async_trait]
impl Database for Server {
    fn engine(&self) -> TableEngine<Secret> {
        TableEngine::Postgres {
            url: Secret::new(self.way.clone()),
        }
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::AppendAndReplace | Ability::Atomic | Ability::Zeros => true,
        }
    }

    async fn rows(&self, table: &str) -> Vec<Found> {
        let client = self.client().await;
        let quoted: Vec<String> = table.split('.').map(|name| format!("\"{name}\"")).collect();
        let table = quoted.join(".");
        let Ok(statement) = client.prepare(&format!("SELECT * FROM {table}")).await else {
            return Vec::new();
        };
        let names: Vec<&str> = statement
            .columns()
            .iter()
            .map(tokio_postgres::Column::name)
            .collect();
        let texts: Vec<String> = names
            .iter()
            .map(|name| format!("\"{name}\"::text"))
            .collect();
        let select = format!("SELECT {} FROM {table}", texts.join(", "));
        let rows = client.query(&select, &[]).await.unwrap();
        let of = |row: &tokio_postgres::Row| {
            let cells = names.iter().enumerate();
            let found = cells.filter_map(|(index, name)| {
                let text: Option<String> = row.get(index);
                Some(((*name).to_owned(), text?))
            });
            found.collect()
        };
        rows.iter().map(of).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_tables() {
    suite::run(&Server::new()).await;
}
