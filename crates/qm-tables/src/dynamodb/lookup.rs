//! Items that say where files go. They may hold passwords: an item is read at each attempt, kept
//! nowhere, and no error has a value of it.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::types::AttributeValue;
use parking_lot::Mutex;
use qm_core::config::{AwsAccess, LookupTable};
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result, Retry};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use super::CONNECT_TIMEOUT;
use super::fault;
use super::item::Item;

/// It answers within milliseconds; a delivery must not wait for one that does not.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// All repetitions together.
const CALLS_TIMEOUT: Duration = Duration::from_secs(20);
/// Of a MiB each, at a query: what is read of items that are not meant.
pub(super) const PAGES_MAX: usize = 10;
const OPERATION: &str = "looking up a destination in DynamoDB";

/// Tables of DynamoDB whose items say where files go. A client, with its connections, is kept for
/// each way to reach it, of which there are as many as revisions of the configuration named.
#[derive(Default)]
pub struct LookupTables {
    pub(super) clients: Mutex<BTreeMap<AwsAccess, Arc<OnceCell<Client>>>>,
}

impl LookupTables {
    /// The one item with this partition key that has these attributes, as JSON. `NotFound` if there
    /// is none of the key, `Refused` if none has the attributes or more than one does.
    pub async fn look_up(
        &self,
        table: &LookupTable,
        key: &str,
        required: &BTreeMap<String, String>,
    ) -> Result<Secret> {
        let client = self.client(&table.access).await?;
        let mut items: Vec<Item> = Vec::new();
        let mut from = None;
        // A table that has a sort key as well is asked in the same way.
        for _ in 0..PAGES_MAX {
            let page = client
                .query()
                .table_name(&table.table)
                .consistent_read(true)
                .key_condition_expression("#key = :key")
                .expression_attribute_names("#key", &table.partition_key)
                .expression_attribute_values(":key", AttributeValue::S(key.to_owned()))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| refused(&table.table, error))?;
            for item in page.items.unwrap_or_default() {
                // The first shows that there is one of the key at all.
                if items.is_empty() || has(&item, required) {
                    items.push(item);
                }
            }
            from = page.last_evaluated_key;
            let meant = items.iter().filter(|item| has(item, required)).count();
            if from.is_none() || meant > 1 {
                let item = one(table, key, items, required)?;
                return Ok(Secret::new(Value::Object(object(item)).to_string()));
            }
        }
        let message = format!(
            "there are more than {PAGES_MAX} MiB of items {}",
            named(table, key)
        );
        Err(Error::new(Kind::Refused, message)
            .during(OPERATION)
            .help("give what says where files go a table of its own"))
    }

    async fn client(&self, access: &AwsAccess) -> Result<Client> {
        let cell = Arc::clone(self.clients.lock().entry(access.clone()).or_default());
        cell.get_or_try_init(|| open(access)).await.cloned()
    }
}

async fn open(access: &AwsAccess) -> Result<Client> {
    let shared = qm_aws::sdk_config(access).await?;
    let config = settings(&shared, CALL_TIMEOUT, CALLS_TIMEOUT);
    Ok(Client::from_conf(config.build()))
}

/// With what a call may take, and all its repetitions together.
pub(super) fn settings(
    shared: &SdkConfig,
    call: Duration,
    calls: Duration,
) -> aws_sdk_dynamodb::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(call)
        .operation_timeout(calls)
        .build();
    aws_sdk_dynamodb::config::Builder::from(shared).timeout_config(timeouts)
}

fn one(
    table: &LookupTable,
    key: &str,
    items: Vec<Item>,
    required: &BTreeMap<String, String>,
) -> Result<Item> {
    if items.is_empty() {
        let message = format!("there is no item {}", named(table, key));
        return Err(Error::new(Kind::NotFound, message)
            .during(OPERATION)
            .help("put one into the table if the file may go somewhere"));
    }
    let mut tagged = items.into_iter().filter(|item| has(item, required));
    match (tagged.next(), tagged.next()) {
        (Some(item), None) => Ok(item),
        (Some(_), Some(_)) => Err(several(table, key)),
        (None, _) => {
            let tags: Vec<String> = required
                .iter()
                .map(|(tag, value)| format!("{tag}={value}"))
                .collect();
            let message = format!(
                "no item {} has the attribute {}",
                named(table, key),
                tags.join(", ")
            );
            Err(Error::new(Kind::Refused, message)
                .during(OPERATION)
                .help("add the attribute to the item, as text, if it may be used here"))
        }
    }
}

fn has(item: &Item, required: &BTreeMap<String, String>) -> bool {
    required.iter().all(
        |(tag, value)| matches!(item.get(tag), Some(AttributeValue::S(found)) if found == value),
    )
}

fn several(table: &LookupTable, key: &str) -> Error {
    let message = format!("there is more than one item {}", named(table, key));
    Error::new(Kind::Refused, message)
        .during(OPERATION)
        .help("let `require_tag` of the lookup name an attribute that only one of them has")
}

fn named(table: &LookupTable, key: &str) -> String {
    format!(
        "`{}` = `{}` in table `{}`",
        table.partition_key,
        key.escape_debug(),
        table.table
    )
}

/// The SDK has tried again already where that could help.
fn refused(table: &str, error: SdkError<QueryError, HttpResponse>) -> Error {
    let is_answer = matches!(
        error,
        SdkError::ResponseError(_) | SdkError::ServiceError(_)
    );
    let code = qm_aws::code(&error).unwrap_or_default().to_owned();
    if is_answer && code.is_empty() {
        // What could not be read may have the item in it: it goes no further.
        return Error::new(
            Kind::Unavailable,
            "DynamoDB gave an answer that could not be read",
        )
        .during(OPERATION);
    }
    let found = match code.as_str() {
        // It may be on its way, so it is tried again.
        fault::NO_TABLE => Error::new(Kind::NotFound, format!("there is no table `{table}`"))
            .help("make it in the region that the lookup names")
            .retry(Retry::Later),
        "AccessDeniedException" | "AccessDenied" => Error::new(
            Kind::Refused,
            format!("DynamoDB refuses access to table `{table}`"),
        )
        .help(
            "the role needs dynamodb:Query for the table, and kms:Decrypt if it has a key of yours",
        ),
        "ValidationException" => {
            return fault::fault(OPERATION, table, error).help(
                "`partition_key` of the lookup is the name of the table's partition key, which holds text",
            );
        }
        _ => return fault::fault(OPERATION, table, error),
    };
    found.with("code", code).during(OPERATION).source(error)
}

/// As whoever writes a secret has it.
fn object(item: Item) -> Map<String, Value> {
    item.into_iter()
        .map(|(name, value)| (name, json(value)))
        .collect()
}

fn json(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::Bool(truth) => Value::Bool(truth),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(values) => values.into_iter().map(json).collect(),
        AttributeValue::Ss(texts) => texts.into_iter().collect(),
        AttributeValue::Ns(numbers) => numbers.into_iter().map(number).collect(),
        AttributeValue::M(values) => Value::Object(object(values)),
        // No field is bytes: whoever reads it says that it is not a text.
        AttributeValue::B(_) | AttributeValue::Bs(_) | _ => Value::Object(Map::new()),
    }
}

fn number(digits: String) -> Value {
    match digits.parse::<Number>() {
        Ok(number) => Value::Number(number),
        Err(_) => Value::String(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::primitives::Blob;
    use qm_core::lookup;
    use serde_json::json;

    const CANARY: &str = "hunter2-canary";

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number_of(digits: &str) -> AttributeValue {
        AttributeValue::N(digits.to_owned())
    }

    fn item(attributes: &[(&str, AttributeValue)]) -> Item {
        let attributes = attributes.iter().cloned();
        attributes
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn secret(item: Item) -> Secret {
        Secret::new(Value::Object(object(item)).to_string())
    }

    #[test]
    fn every_type_of_attribute() {
        for (value, expect) in [
            (text("a \"b\"\n"), json!("a \"b\"\n")),
            (number_of("22"), json!(22)),
            (number_of("-1.5"), json!(-1.5)),
            (number_of("not one"), json!("not one")),
            (AttributeValue::Bool(true), json!(true)),
            (AttributeValue::Null(true), json!(null)),
            (
                AttributeValue::L(vec![text("a"), AttributeValue::L(vec![])]),
                json!(["a", []]),
            ),
            (
                AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()]),
                json!(["a", "b"]),
            ),
            (AttributeValue::Ns(vec!["1".to_owned()]), json!([1])),
            (
                AttributeValue::M(item(&[("a", number_of("1"))])),
                json!({"a": 1}),
            ),
            (AttributeValue::B(Blob::new("a")), json!({})),
            (AttributeValue::Bs(vec![Blob::new("a")]), json!({})),
        ] {
            assert_eq!(json(value.clone()), expect, "{value:?}");
        }
    }

    #[test]
    fn an_item_is_read_as_a_secret_is() {
        let pin =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjU3aLKKfJxChKCN5/F1LNz4S6/pnDKsuDa3D7p4PKm";
        let all = item(&[
            ("source_prefix", text("landing/north/")),
            ("host", text("sftp.example.org")),
            ("port", number_of("2222")),
            ("username", text("quay")),
            ("password", text(CANARY)),
            ("known_hosts", AttributeValue::Ss(vec![pin.to_owned()])),
            ("remote_dir", text("in/{arrived:%Y}")),
            ("create_dir", AttributeValue::Bool(true)),
            ("pattern", text("*.csv")),
            ("names", AttributeValue::Ss(vec!["*.txt".to_owned()])),
            ("types", AttributeValue::L(vec![text("csv"), text("txt")])),
            ("min_size", number_of("1")),
            ("max_size", text("1KiB")),
        ]);
        let found = lookup::parse_item(&secret(all.clone())).unwrap();
        let place = found.place.as_sftp().unwrap();
        assert_eq!((place.port, place.user.as_str()), (2222, "quay"));
        assert_eq!(place.password.as_ref().unwrap().reveal(), CANARY);
        assert_eq!(place.host_keys, [pin]);
        assert!(place.create_folders);
        let takes = |name, bytes| found.screen.check_name_and_size(name, bytes).is_ok();
        assert!(takes("a.csv", 1) && takes("a.txt", 1024));
        assert!(!takes("a.json", 1) && !takes("a.csv", 0) && !takes("a.csv", 1025));
        for (name, value) in [
            ("password", AttributeValue::B(Blob::new(CANARY))),
            ("host", AttributeValue::L(vec![text(CANARY)])),
            ("port", text(CANARY)),
            ("pattern", number_of("7")),
            ("names", AttributeValue::Ns(vec!["7".to_owned()])),
            ("types", AttributeValue::Bs(vec![Blob::new(CANARY)])),
            ("max_size", text(CANARY)),
            ("kind", text(CANARY)),
        ] {
            let mut wrong = all.clone();
            wrong.insert(name.to_owned(), value);
            let error = lookup::parse_item(&secret(wrong)).unwrap_err();
            let told = format!("{error:?} {:?}", error.remedy());
            assert!(told.contains(&format!("`{name}` of the item")), "{told}");
            assert!(!told.contains(CANARY), "{told}");
        }
    }

    #[test]
    fn one_of_the_items_of_a_key() {
        let table = LookupTable {
            access: AwsAccess::default(),
            table: "data-egress".to_owned(),
            partition_key: "source_prefix".to_owned(),
        };
        let of = |pipeline: &str| item(&[("pipeline", text(pipeline)), ("password", text(CANARY))]);
        let tag = |value: &str| BTreeMap::from([("pipeline".to_owned(), value.to_owned())]);
        let at = "`source_prefix` = `landing/north/` in table `data-egress`";
        for (items, required, expect) in [
            (vec![of("a")], BTreeMap::new(), Ok(())),
            (vec![of("a"), of("b")], tag("b"), Ok(())),
            (
                vec![],
                tag("a"),
                Err((Kind::NotFound, format!("there is no item {at}"))),
            ),
            (
                vec![of("a"), of("b")],
                BTreeMap::new(),
                Err((Kind::Refused, format!("there is more than one item {at}"))),
            ),
            (
                vec![of("a"), of("b")],
                tag("c"),
                Err((
                    Kind::Refused,
                    format!("no item {at} has the attribute pipeline=c"),
                )),
            ),
            (
                vec![item(&[("pipeline", number_of("1"))])],
                tag("1"),
                Err((
                    Kind::Refused,
                    format!("no item {at} has the attribute pipeline=1"),
                )),
            ),
        ] {
            let found = one(&table, "landing/north/", items, &required);
            let told = found.map(|_| ()).map_err(|error| {
                assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
                assert_eq!(error.retry_verdict(), Retry::Never);
                assert!(error.remedy().is_some(), "{error:?}");
                (error.kind(), error.public_message().to_owned())
            });
            assert_eq!(told, expect, "{required:?}");
        }
        let wanted = one(&table, "x", vec![of("a"), of("b")], &tag("b")).unwrap();
        assert_eq!(wanted["pipeline"], text("b"));
    }
}
