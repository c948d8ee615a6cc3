//! Amazon's `DynamoDB`, as two others have it: the suite, without what only a transaction can promise.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use qm_core::config::{AwsAccess, RowOrder, TableEngine};
use qm_core::ports::access::Secret;

use crate::suite::{self, Ability, Database, Found};

#[path = "../../src/dynamodb/tests/server.rs"]
mod server;

struct Items {
    server: server::Server,
}

impl Items {
    fn access(&self) -> AwsAccess {
        AwsAccess {
            endpoint: Some(self.server.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            ..AwsAccess::default()
        }
    }
}

#[async_trait]
impl Database for Items {
    fn engine(&self) -> TableEngine<Secret> {
        TableEngine::DynamoDb {
            access: self.access(),
            control: "quaymaster-loads".to_owned(),
            order: RowOrder::ByRow,
        }
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::AppendAndReplace | Ability::Atomic | Ability::Zeros => false,
        }
    }

    async fn rows(&self, table: &str) -> Vec<Found> {
        let client = Client::new(&qm_aws::sdk_config(&self.access()).await.unwrap());
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let request = client.scan().table_name(table).consistent_read(true);
            let Ok(page) = request.set_exclusive_start_key(from).send().await else {
                return found;
            };
            for item in page.items.unwrap_or_default() {
                let cells = item.into_iter();
                found.push(
                    cells
                        .filter_map(|(name, value)| Some((name, text(value)?)))
                        .collect(),
                );
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return found;
            }
        }
    }
}

fn text(value: AttributeValue) -> Option<String> {
    if let AttributeValue::S(text) | AttributeValue::N(text) = value {
        return Some(text);
    }
    if let Ok(value) = value.as_bool() {
        return Some(value.to_string());
    }
    assert!(value.is_null(), "no load writes {value:?}");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_tables_of_dynamodb_on_moto() {
    let server = server::Server::moto();
    suite::run(&Items { server }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_tables_of_dynamodb_on_dynalite() {
    let server = server::Server::dynalite();
    suite::run(&Items { server }).await;
}
