//! What a load needs, tried without leaving anything behind: requests under conditions that never
//! hold are refused for their condition only by whoever may make them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ScalarAttributeType};
use qm_core::Result;
use qm_core::ports::connector::Finding;

use super::DynamoDb;
use super::fault::{self, fault};
use super::item::Item;
use super::schema::{self, KeyPart};

/// Until something is not as it must be.
pub(super) async fn test(engine: &DynamoDb) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tables = [
        ("table", &engine.table, engine.promised()),
        ("control table", &engine.control, Ok(schema::control_key())),
    ];
    for (what, table, key) in tables {
        let result = match key {
            Ok(key) => one(engine, table, &key).await,
            Err(error) => Err(error),
        };
        let is_over = result.is_err();
        findings.push(Finding {
            what: format!("{what} `{table}`"),
            result: result.map_err(|error| error.chain()),
        });
        if is_over {
            break;
        }
    }
    findings
}

async fn one(engine: &DynamoDb, table: &str, key: &[KeyPart]) -> Result<String> {
    let client = engine.client().await?;
    let Some(found) = schema::describe(client, &engine.limits.patience, table).await? else {
        if engine.create {
            return Ok("not there; the first load makes it".to_owned());
        }
        return Err(fault::no_table(table));
    };
    schema::check(table, &found, key)?;
    let probe = probe(key);
    read(client, table, &probe).await?;
    write(client, table, key, probe).await?;
    Ok(format!(
        "there, with the key {}; rows can be read and put",
        schema::names(key)
    ))
}

async fn read(client: &Client, table: &str, probe: &Item) -> Result<()> {
    let keys = KeysAndAttributes::builder()
        .keys(probe.clone())
        .build()
        .map_err(|error| {
            qm_core::Error::new(qm_core::Kind::Bug, "a request could not be made").source(error)
        })?;
    let answer = client.batch_get_item().request_items(table, keys).send();
    match answer.await {
        Ok(_) => Ok(()),
        Err(error) => Err(fault("trying to read", table, error)),
    }
}

async fn write(client: &Client, table: &str, key: &[KeyPart], probe: Item) -> Result<()> {
    let name = key
        .first()
        .map(|part| part.name.as_str())
        .unwrap_or_default();
    let answer = client
        .put_item()
        .table_name(table)
        .set_item(Some(probe))
        .condition_expression("attribute_exists(#key) AND attribute_not_exists(#key)")
        .expression_attribute_names("#key", name)
        .send();
    match answer.await {
        Ok(_) => Ok(()),
        Err(error) if fault::says(&error, fault::CONDITION) => Ok(()),
        Err(error) => Err(fault("trying to put", table, error)),
    }
}

fn probe(key: &[KeyPart]) -> Item {
    let value = |kind: &ScalarAttributeType| {
        if *kind == ScalarAttributeType::N {
            AttributeValue::N("0".to_owned())
        } else {
            AttributeValue::S("quaymaster-test".to_owned())
        }
    };
    key.iter()
        .map(|part| (part.name.clone(), value(&part.kind)))
        .collect()
}
