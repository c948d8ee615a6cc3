//! The tables themselves: made, compared, tried.

use qm_core::config::{Column, ColumnSource, ColumnType, LoadMode, RowOrder, TableEngine};
use qm_core::{Error, Kind, Retry};
use serde_json::{Value, json};

use super::super::DynamoDb;
use super::server::Server;
use super::wire::Verdict;
use super::world::{World, counts, delivery};
use crate::engine::Engine;

/// The answer of `DescribeTable` for a table, or for its control table.
pub(super) fn described(request: &Value) -> Verdict {
    let table = request["TableName"].as_str().unwrap();
    let key = if table.ends_with("-loads") {
        "id"
    } else {
        "ID"
    };
    Verdict::Answer(
        200,
        json!({ "Table": {
            "TableName": table,
            "TableStatus": "ACTIVE",
            "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
        } }),
    )
}

async fn findings(world: &World) -> Vec<(String, String)> {
    let findings = world.engine().test().await;
    let said = |finding: qm_core::ports::connector::Finding| {
        let result = match finding.result {
            Ok(text) => text,
            Err(text) => format!("FAILED {text}"),
        };
        (finding.what, result)
    };
    findings.into_iter().map(said).collect()
}

async fn made_compared_and_tried(endpoint: &str) {
    let mut world = World::at(endpoint).await;
    let table = world.table.table.clone();
    world.table.create = false;
    let missing = format!("there is no table `{table}`");
    assert_eq!(
        world.engine().differences().await.unwrap(),
        std::slice::from_ref(&missing)
    );
    let found = findings(&world).await;
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.starts_with("FAILED there is no table"),
        "{found:?}"
    );
    let delivery = delivery("a.csv", 1);
    let lost = world.attempt(&delivery, "ID\n1\n").await.unwrap_err();
    assert_eq!(
        (lost.kind(), lost.retry_verdict()),
        (Kind::NotFound, Retry::Later)
    );

    world.table.create = true;
    let found = findings(&world).await;
    assert!(
        found.len() == 2
            && found
                .iter()
                .all(|(_, text)| text.contains("first load makes it"))
    );
    assert!(world.engine().differences().await.unwrap().is_empty());
    let loaded = world.attempt(&delivery, "ID\n1\n").await;
    assert_eq!(loaded.unwrap(), counts(1, 0, 0, 0));
    let found = findings(&world).await;
    let expect = |what: &str, key: &str| {
        let text = format!("there, with the key `{key}`; rows can be read and put");
        (what.to_owned(), text)
    };
    let control = format!("control table `{table}-loads`");
    assert_eq!(
        found,
        [
            expect(&format!("table `{table}`"), "ID"),
            expect(&control, "id"),
        ]
    );
    assert_eq!(world.items().await.len(), 1, "a test leaves nothing behind");

    for (key, declared, expect) in [
        (
            &["SKU"][..],
            None,
            "the key of table `T` is `ID`, and `key` says `SKU`",
        ),
        (
            &["ID", "Day"],
            None,
            "the key of table `T` is `ID`, and `key` says `ID` and `Day`",
        ),
        (
            &["ID"],
            Some(ColumnType::Integer),
            "the key `ID` of table `T` is text, and the declaration makes it a number",
        ),
        (&["ID"], Some(ColumnType::Date), ""),
    ] {
        let document = include_str!("../../../../../docs/loading.md");
        let is_listed = document.contains(&format!("| {expect} |"));
        assert!(is_listed || key.len() > 1 || expect.is_empty(), "{expect}");
        world.table.key = key.iter().map(|name| (*name).to_owned()).collect();
        world.table.rows.columns = declared.map(id_column).into_iter().collect();
        let sentences = world.engine().differences().await.unwrap();
        assert_eq!(
            sentences.concat(),
            expect
                .replace('T', &table)
                .replace(&format!("{table}he"), "the")
        );
    }
}

#[tokio::test]
async fn foreign_tables_that_are_made_have_the_tags_of_the_node_on_moto() {
    let server = Server::moto();
    let world = World::at(&server.endpoint).await;
    let tags = [("commit", "0a1b2c3"), ("environment", "prod")];
    let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut engine = world.engine();
    engine.tag(&tags.clone().into());
    let (delivery, columns) = (delivery("a.csv", 1), ["ID".to_owned()]);
    drop(engine.begin(&delivery, &columns).await.unwrap());
    let table = &world.table.table;
    for table in [table.clone(), format!("{table}-loads")] {
        let made = world.client.describe_table().table_name(table).send();
        let made = made.await.unwrap().table.unwrap();
        let found = world.client.list_tags_of_resource();
        let found = found.set_resource_arn(made.table_arn).send().await.unwrap();
        let mut found: Vec<(String, String)> = found
            .tags()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect();
        found.sort();
        assert_eq!(found, tags);
    }
}

fn id_column(kind: ColumnType) -> Column {
    Column {
        name: "ID".to_owned(),
        source: ColumnSource::Header("ID".to_owned()),
        kind,
        required: true,
        default: None,
        format: None,
        zone: None,
    }
}

#[tokio::test]
async fn foreign_tables_are_made_compared_and_tried_on_moto() {
    made_compared_and_tried(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_tables_are_made_compared_and_tried_on_dynalite() {
    made_compared_and_tried(&Server::dynalite().endpoint).await;
}

#[tokio::test]
async fn what_dynamodb_cannot_do_is_refused_before_anything_is_asked() {
    let check = async |change: fn(&mut World), expect: &str| {
        let mut world = World::at("http://127.0.0.1:1").await;
        change(&mut world);
        let engine = DynamoDb::new(&world.table);
        let error: Error = match engine {
            Err(error) => error,
            Ok(engine) => engine.differences().await.unwrap_err(),
        };
        assert_eq!(
            (error.kind(), error.public_message()),
            (Kind::Invalid, expect)
        );
    };
    let only_upsert =
        "rows go into a table of DynamoDB by their key: `mode` can only be \"upsert\"";
    check(|world| world.table.mode = LoadMode::Append, only_upsert).await;
    check(|world| world.table.mode = LoadMode::Replace, only_upsert).await;
    check(
        |world| {
            world.table.sequence = Some("n".to_owned());
            if let TableEngine::DynamoDb { order, .. } = &mut world.table.engine {
                *order = RowOrder::None;
            }
        },
        "rows in batches have no condition: `order = \"none\"` and `sequence` exclude each other",
    )
    .await;
    check(
        |world| world.table.table = format!("{}-loads", world.table.table),
        "the control table is another than the table",
    )
    .await;
    check(
        |world| world.table.key.clear(),
        "a table of DynamoDB has a key of one or two columns",
    )
    .await;
    check(
        |world| world.table.rows.columns = vec![id_column(ColumnType::Boolean)],
        "column `ID` is boolean, which no key of DynamoDB can be",
    )
    .await;
    let world = World::at("http://127.0.0.1:1").await;
    let undo = world
        .engine()
        .undo(&delivery("a.csv", 1))
        .await
        .unwrap_err();
    assert_eq!(undo.kind(), Kind::Unsupported);
}

#[tokio::test]
async fn columns_that_no_item_can_have_are_refused() {
    let world = World::at("http://127.0.0.1:1").await.with_sequence();
    for columns in [&["ID", ""][..], &["ID", "arrival"]] {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let begun = world.engine().begin(&delivery("a.csv", 1), &columns).await;
        assert_eq!(begun.err().unwrap().kind(), Kind::Refused);
    }
}
