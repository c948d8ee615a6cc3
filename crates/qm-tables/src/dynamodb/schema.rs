//! The table and its control table: are they there, do they have the key that is said, make them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus, Tag, TimeToLiveSpecification,
};
use qm_core::config::{ColumnType, Declaration};
use qm_core::{Error, Kind, Result, Retry};
use std::collections::BTreeMap;
use std::time::Duration;

use super::control::{EXPIRES, ID};
use super::fault::{self, IN_USE, NO_TABLE, fault, trouble};
use super::pressure::Patience;

/// Between two looks at a table that is being made.
const PAUSE: Duration = Duration::from_millis(200);
/// So many looks: AWS makes a table within half a minute.
const LOOKS: u32 = 600;

/// An attribute of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct KeyPart {
    pub(super) name: String,
    pub(super) kind: ScalarAttributeType,
}

/// The key that the destination promises, or the sentence why it cannot be one.
pub(super) fn promised(key: &[String], rows: &Declaration) -> Result<Vec<KeyPart>> {
    if key.is_empty() || key.len() > 2 {
        return Err(Error::new(
            Kind::Invalid,
            "a table of DynamoDB has a key of one or two columns",
        )
        .help("write `key = [\"ID\"]`"));
    }
    key.iter()
        .map(|name| {
            let column = rows.columns.iter().find(|column| column.name == *name);
            let kind = match column.map(|column| column.kind) {
                None | Some(ColumnType::Text | ColumnType::Date | ColumnType::Timestamp) => {
                    ScalarAttributeType::S
                }
                Some(ColumnType::Integer | ColumnType::Decimal) => ScalarAttributeType::N,
                Some(ColumnType::Boolean) => {
                    return Err(Error::new(
                        Kind::Invalid,
                        format!("column `{name}` is boolean, which no key of DynamoDB can be"),
                    ));
                }
            };
            Ok(KeyPart {
                name: name.clone(),
                kind,
            })
        })
        .collect()
}

/// The key of the control table.
pub(super) fn control_key() -> Vec<KeyPart> {
    vec![KeyPart {
        name: ID.to_owned(),
        kind: ScalarAttributeType::S,
    }]
}

/// What the service knows of the table; `None` if it is not there.
pub(super) async fn describe(
    client: &Client,
    patience: &Patience,
    table: &str,
) -> Result<Option<TableDescription>> {
    let request = || async {
        let answer = client.describe_table().table_name(table).send().await;
        if answer
            .as_ref()
            .is_err_and(|error| fault::says(error, NO_TABLE))
        {
            return Ok(None);
        }
        let answer = answer.map_err(|error| trouble("describing the table", table, error))?;
        Ok(answer.table)
    };
    patience.ask(request).await
}

/// An error unless the table has this key; the parts may be given in any order.
pub(super) fn check(table: &str, found: &TableDescription, promised: &[KeyPart]) -> Result<()> {
    let found = key_of(found)?;
    let same_names = found.len() == promised.len()
        && promised
            .iter()
            .all(|part| found.iter().any(|found| found.name == part.name));
    if !same_names {
        return Err(Error::new(
            Kind::Invalid,
            format!(
                "the key of table `{table}` is {}, and `key` says {}",
                names(&found),
                names(promised)
            ),
        ));
    }
    for part in promised {
        let is_other = |found: &&KeyPart| found.name == part.name && found.kind != part.kind;
        if let Some(found) = found.iter().find(is_other) {
            return Err(Error::new(
                Kind::Invalid,
                format!(
                    "the key `{}` of table `{table}` is {}, and the declaration makes it {}",
                    part.name,
                    word(&found.kind),
                    word(&part.kind)
                ),
            ));
        }
    }
    Ok(())
}

/// As people read it: `ID` (text) and `Day` (text).
pub(super) fn names(key: &[KeyPart]) -> String {
    let parts: Vec<String> = key.iter().map(|part| format!("`{}`", part.name)).collect();
    parts.join(" and ")
}

/// Makes the table, billed by request, and waits for it.
pub(super) async fn create(
    client: &Client,
    patience: &Patience,
    table: &str,
    key: &[KeyPart],
    tags: &BTreeMap<String, String>,
) -> Result<()> {
    let mut request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, value) in tags {
        let tag = Tag::builder().key(name).value(value).build();
        let broken = |error| Error::new(Kind::Bug, "a tag without a name").source(error);
        request = request.tags(tag.map_err(broken)?);
    }
    for (part, role) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        let definition = AttributeDefinition::builder()
            .attribute_name(&part.name)
            .attribute_type(part.kind.clone())
            .build();
        let element = KeySchemaElement::builder()
            .attribute_name(&part.name)
            .key_type(role)
            .build();
        let broken = |error| Error::new(Kind::Bug, "a key without a name").source(error);
        request = request
            .attribute_definitions(definition.map_err(broken)?)
            .key_schema(element.map_err(broken)?);
    }
    let request = || async {
        match request.clone().send().await {
            Ok(_) => Ok(()),
            // Another node was faster.
            Err(error) if fault::says(&error, IN_USE) => Ok(()),
            Err(error) => Err(trouble("making the table", table, error)),
        }
    };
    patience.ask(request).await?;
    for _ in 0..LOOKS {
        let found = describe(client, patience, table).await?;
        if found.and_then(|found| found.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::new(
        Kind::Timeout,
        format!("table `{table}` was made and does not become active"),
    ))
}

/// Lets DynamoDB remove what nobody asks for any more.
pub(super) async fn let_items_expire(client: &Client, table: &str) -> Result<()> {
    let expiry = TimeToLiveSpecification::builder()
        .attribute_name(EXPIRES)
        .enabled(true)
        .build()
        .map_err(|error| Error::new(Kind::Bug, "an expiry without a name").source(error))?;
    let result = client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(expiry)
        .send()
        .await;
    match result {
        Ok(_) => Ok(()),
        // Not every service that speaks like DynamoDB has it; its items stay.
        Err(error)
            if ["UnknownOperationException", "ValidationException"]
                .iter()
                .any(|code| fault::says(&error, code)) =>
        {
            Ok(())
        }
        Err(error) => Err(fault("letting items expire", table, error)),
    }
}

fn key_of(table: &TableDescription) -> Result<Vec<KeyPart>> {
    table
        .key_schema()
        .iter()
        .map(|element| {
            let name = element.attribute_name();
            let definition = table
                .attribute_definitions()
                .iter()
                .find(|definition| definition.attribute_name() == name);
            let kind = definition.map(|definition| definition.attribute_type().clone());
            Ok(KeyPart {
                name: name.to_owned(),
                kind: kind.ok_or_else(|| {
                    Error::new(Kind::Unavailable, "DynamoDB does not say what a key is")
                        .retry(Retry::Later)
                })?,
            })
        })
        .collect()
}

fn word(kind: &ScalarAttributeType) -> &'static str {
    if *kind == ScalarAttributeType::S {
        "text"
    } else if *kind == ScalarAttributeType::N {
        "a number"
    } else if *kind == ScalarAttributeType::B {
        "binary"
    } else {
        "of a type that is not known here"
    }
}
