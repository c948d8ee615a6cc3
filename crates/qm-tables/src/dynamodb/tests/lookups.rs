//! Items that say where files go: found as they are now, and what is said where none is.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::ScalarAttributeType;
use parking_lot::Mutex;
use qm_core::config::LookupTable;
use qm_core::ports::access::Secret;
use qm_core::{Kind, Result, Retry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use super::super::lookup::{self, LookupTables};
use super::super::schema::{self, KeyPart};
use super::server::Server;
use super::wire::{Verdict, Wire, refusal};
use super::world::{LIMITS, access, client, item};

/// What must be in no message.
const CANARY: &str = "hunter2-canary";

struct Office {
    tables: LookupTables,
    client: Client,
    endpoint: String,
}

impl Office {
    async fn at(endpoint: &str) -> Self {
        Self::with(endpoint, client(endpoint).await)
    }

    fn with(endpoint: &str, client: Client) -> Self {
        let opened = Arc::new(OnceCell::new_with(Some(client.clone())));
        Self {
            tables: LookupTables {
                clients: Mutex::new([(access(endpoint), opened)].into()),
            },
            client,
            endpoint: endpoint.to_owned(),
        }
    }

    async fn make(&self, table: &str, key: &[&str]) {
        let part = |name: &&str| KeyPart {
            name: (*name).to_owned(),
            kind: ScalarAttributeType::S,
        };
        let key: Vec<KeyPart> = key.iter().map(part).collect();
        let (patience, no_tags) = (LIMITS.patience, BTreeMap::new());
        let made = schema::create(&self.client, &patience, table, &key, &no_tags);
        made.await.unwrap();
    }

    async fn put(&self, table: &str, cells: &[(&str, &str)]) {
        let request = self.client.put_item().table_name(table);
        request.set_item(Some(item(cells))).send().await.unwrap();
    }

    async fn look_up(&self, table: &str, key: &str, tag: Option<&str>) -> Result<Secret> {
        let table = LookupTable {
            access: access(&self.endpoint),
            table: table.to_owned(),
            partition_key: "source_prefix".to_owned(),
        };
        let tag = tag.map(|value| ("pipeline_name".to_owned(), value.to_owned()));
        let tags = tag.into_iter().collect();
        self.tables.look_up(&table, key, &tags).await
    }

    /// The host that the item names, or the kind of error.
    async fn host(&self, table: &str, key: &str, tag: Option<&str>) -> Result<String, Kind> {
        match self.look_up(table, key, tag).await {
            Ok(found) => {
                let fields: Value = serde_json::from_str(found.reveal()).unwrap();
                Ok(fields["host"].as_str().unwrap().to_owned())
            }
            Err(error) => {
                assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
                Err(error.kind())
            }
        }
    }
}

async fn found_as_it_is_now(endpoint: &str) {
    let office = Office::at(endpoint).await;
    office.make("plain", &["source_prefix"]).await;
    office
        .make("egress", &["source_prefix", "pipeline_name"])
        .await;
    office.make("other", &["ID"]).await;
    let north = ("source_prefix", "landing/north/");
    for (table, pipeline, host) in [
        ("plain", "x", "one.test"),
        ("egress", "a", "one.test"),
        ("egress", "b", "two.test"),
    ] {
        let cells = [north, ("pipeline_name", pipeline), ("host", host)];
        office.put(table, &cells).await;
    }
    for (table, key, tag, expect) in [
        ("plain", "landing/north/", None, Ok("one.test")),
        ("plain", "landing/north/", Some("x"), Ok("one.test")),
        ("plain", "landing/north/", Some("y"), Err(Kind::Refused)),
        // It is the key, not the beginning of one.
        ("plain", "landing/north", None, Err(Kind::NotFound)),
        ("plain", "landing/north/in/", None, Err(Kind::NotFound)),
        ("egress", "landing/north/", Some("b"), Ok("two.test")),
        ("egress", "landing/north/", None, Err(Kind::Refused)),
        ("egress", "landing/south/", Some("b"), Err(Kind::NotFound)),
        ("other", "landing/north/", None, Err(Kind::Invalid)),
        ("nothing", "landing/north/", None, Err(Kind::NotFound)),
    ] {
        let found = office.host(table, key, tag).await;
        assert_eq!(found, expect.map(str::to_owned), "{table} {key} {tag:?}");
    }

    let rotated = [north, ("host", "three.test"), ("password", CANARY)];
    office.put("plain", &rotated).await;
    let found = office.host("plain", "landing/north/", None).await;
    assert_eq!(found.unwrap(), "three.test");
    // The attribute that is the allow-list has gone with the old item.
    let found = office.host("plain", "landing/north/", Some("x")).await;
    assert_eq!(found, Err(Kind::Refused));
}

#[tokio::test]
async fn foreign_an_item_that_is_looked_up_is_found_as_it_is_now_on_moto() {
    found_as_it_is_now(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_an_item_that_is_looked_up_is_found_as_it_is_now_on_dynalite() {
    found_as_it_is_now(&Server::dynalite().endpoint).await;
}

#[tokio::test]
async fn what_dynamodb_refuses_a_lookup_is_told_with_its_remedy() {
    let wire = Wire::to(None).await;
    let office = Office::at(&wire.endpoint).await;
    for (fault, kind, retry, words) in [
        (
            refusal("AccessDeniedException"),
            Kind::Refused,
            Retry::Never,
            "dynamodb:Query",
        ),
        (
            refusal("ProvisionedThroughputExceededException"),
            Kind::Limit,
            Retry::Later,
            "no more requests",
        ),
        (
            refusal("ThrottlingException"),
            Kind::Limit,
            Retry::Later,
            "no more requests",
        ),
        (
            refusal("InternalServerError"),
            Kind::Unavailable,
            Retry::Later,
            "try again later",
        ),
        (
            refusal("ExpiredTokenException"),
            Kind::Unavailable,
            Retry::Later,
            "renew the credentials",
        ),
        (
            refusal("ResourceNotFoundException"),
            Kind::NotFound,
            Retry::Later,
            "the region that the lookup names",
        ),
        (
            refusal("ValidationException"),
            Kind::Invalid,
            Retry::Never,
            "`partition_key`",
        ),
        (
            Verdict::Cut,
            Kind::Unavailable,
            Retry::Later,
            "cannot be reached",
        ),
    ] {
        let lasting = fault.clone();
        wire.follow(move |_, _, _| lasting.clone());
        let error = office.look_up("egress", "a/", None).await.unwrap_err();
        let found = (error.kind(), error.retry_verdict());
        assert_eq!(found, (kind, retry), "{fault:?}: {error:?}");
        let told = format!("{error} {}", error.remedy().unwrap_or_default());
        assert!(told.contains(words), "{fault:?}: {told}");
        let asked = wire.operations();
        assert!(asked.iter().all(|name| name == "Query"), "{asked:?}");
    }
}

#[tokio::test]
async fn nothing_of_an_item_is_in_an_error_or_a_debug_form() {
    let wire = Wire::to(None).await;
    let office = Office::at(&wire.endpoint).await;
    let item = json!({ "password": { "S": CANARY } });
    for (answer, is_found) in [
        (json!({ "Items": [item] }), true),
        (json!({ "Items": [item, item] }), false),
        (
            json!({ "Items": [item], "LastEvaluatedKey": { "password": { "S": CANARY } } }),
            false,
        ),
        (json!({ "Items": CANARY }), false),
        (json!({ "Items": [{ "password": CANARY }] }), false),
        (
            json!({ "Items": [{ "password": { "S": [CANARY] } }] }),
            false,
        ),
        (json!(CANARY), false),
    ] {
        let given = answer.clone();
        wire.follow(move |_, _, _| Verdict::Answer(200, given.clone()));
        let found = office.look_up("egress", "a/", None).await;
        assert_eq!(found.is_ok(), is_found, "{answer}: {found:?}");
        let told = match found {
            Ok(found) => {
                assert!(found.reveal().contains(CANARY));
                format!("{found:?}")
            }
            Err(error) => format!("{error} {error:?} {:?}", error.remedy()),
        };
        assert!(!told.contains(CANARY), "{answer}: {told}");
    }
}

/// A page ends after a MiB, whatever is on it.
#[tokio::test]
async fn items_of_a_key_are_read_until_it_is_clear_which_is_meant() {
    let wire = Wire::to(None).await;
    let office = Office::at(&wire.endpoint).await;
    for (pages, expect, asked) in [
        (vec!["x", "a", "x"], Ok("a.test"), 3),
        (vec!["", "", "a"], Ok("a.test"), 3),
        (vec!["a", "x", "a", "x"], Err(Kind::Refused), 3),
        (vec!["x", ""], Err(Kind::Refused), 2),
        (vec!["", ""], Err(Kind::NotFound), 2),
        (vec!["x"; 100], Err(Kind::Refused), lookup::PAGES_MAX),
    ] {
        let told = format!("{pages:?}");
        wire.follow(move |number, _, asked| {
            let name = pages[number - 1];
            let host = format!("{name}.test");
            let items = match name {
                "" => json!([]),
                _ => json!([{ "pipeline_name": { "S": name }, "host": { "S": host } }]),
            };
            let mut answer = json!({ "Items": items });
            if number < pages.len() {
                answer["LastEvaluatedKey"] = json!({ "page": { "N": number.to_string() } });
            }
            let from = (number > 1).then(|| (number - 1).to_string());
            assert_eq!(
                asked["ExclusiveStartKey"]["page"]["N"].as_str(),
                from.as_deref()
            );
            Verdict::Answer(200, answer)
        });
        let found = office.host("egress", "a/", Some("a")).await;
        assert_eq!(found, expect.map(str::to_owned), "{told}");
        assert_eq!(wire.count("Query"), asked, "{told}");
    }
}

/// Each call has its time, and so have all of them together.
#[tokio::test]
async fn whoever_does_not_answer_is_asked_again_later() {
    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_hours(1);
    let wire = Wire::to(None).await;
    wire.follow(|_, _, _| Verdict::Hang {
        is_passed_on: false,
    });
    let shared = qm_aws::sdk_config(&access(&wire.endpoint)).await.unwrap();
    for (call, calls) in [(SHORT, LONG), (LONG, SHORT)] {
        let config = lookup::settings(&shared, call, calls)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("testing", "testing", None, None, "test"));
        let office = Office::with(&wire.endpoint, Client::from_conf(config.build()));
        let looked_up = Box::pin(office.look_up("egress", "a/", None));
        let ended = tokio::time::timeout(Duration::from_mins(1), looked_up).await;
        let error = ended.expect("it waits on").unwrap_err();
        let found = (error.kind(), error.retry_verdict());
        assert_eq!(found, (Kind::Timeout, Retry::Later), "{error:?}");
    }
}
