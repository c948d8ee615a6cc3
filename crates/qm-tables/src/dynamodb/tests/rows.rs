//! What becomes of rows: the original's golden cases and those that it had wrong.

use aws_sdk_dynamodb::types::AttributeValue;
use qm_core::config::{Column, ColumnSource, ColumnType};
use qm_core::load::Counts;
use std::fmt::Write as _;

use super::server::Server;
use super::wire::{Verdict, Wire};
use super::world::{World, counts, delivery, item};

/// Products as the original's sample has them: prices with a blank behind, commas and quotes in titles.
fn products(count: u32) -> String {
    let mut csv = "ID,Title,Price (USD),Stock\n".to_owned();
    for number in 1..=count {
        let price = 12 + number % 90;
        let _ = writeln!(
            csv,
            "B{number:09},\"Lamp, \"\"{number}\"\" W\",$\u{200a}{price}.99 ,{}",
            number * 7 % 100
        );
    }
    csv.replace('\u{200a}', "")
}

async fn a_thousand_rows(endpoint: &str) {
    let wire = Wire::to(Some(endpoint)).await;
    let mut world = World::at(&wire.endpoint).await;
    world.limits = super::super::Limits::default();
    let csv = products(1000);
    let loaded = world.attempt(&delivery("products.csv", 1), &csv).await;
    assert_eq!(loaded.unwrap(), counts(1000, 0, 0, 0));
    let items = world.items().await;
    assert_eq!(items.len(), 1000);
    let first = item(&[
        ("ID", "B000000001"),
        ("Title", "Lamp, \"1\" W"),
        ("Price (USD)", "$13.99 "),
        ("Stock", "7"),
    ]);
    assert_eq!(items["B000000001"], first);
    // The file comes again as another version.
    wire.follow(|_, _, _| Verdict::Pass);
    let loaded = world.attempt(&delivery("products.csv", 2), &csv).await;
    assert_eq!(loaded.unwrap(), counts(0, 0, 1000, 0));
    assert_eq!(wire.count("PutItem"), 0, "{:?}", wire.operations());
    assert_eq!(world.items().await, items);
}

#[tokio::test]
async fn foreign_a_thousand_rows_on_moto() {
    a_thousand_rows(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_a_thousand_rows_on_dynalite() {
    a_thousand_rows(&Server::dynalite().endpoint).await;
}

async fn files_of_all_kinds(endpoint: &str) {
    let world = World::at(endpoint).await;
    let mut arrival = 0;
    let mut check = async |csv: &str, expect: Counts| {
        arrival += 1;
        let delivery = delivery(&format!("{arrival}.csv"), arrival);
        assert_eq!(
            world.attempt(&delivery, csv).await.unwrap(),
            expect,
            "{csv}"
        );
    };
    let rejected = |mut counts: Counts, rejected| {
        counts.read += rejected;
        counts.rejected = rejected;
        counts
    };
    // 14 rows without the key: none is loaded, and the table is not even looked at.
    let wrong_header = format!("ProductID,Title\n{}", "1,x\n".repeat(14));
    check(&wrong_header, rejected(Counts::default(), 14)).await;
    check("", Counts::default()).await;
    check("ID,Title\n", Counts::default()).await;
    check("ID,Title\n1,x\n2,y\n3,z\n", counts(3, 0, 0, 0)).await;
    check("ID,Title\n1,x\n2,Y\n4,w\n", counts(1, 1, 1, 0)).await;
    check("ID,Title\n5,a\n,b\n6,c\n", rejected(counts(2, 0, 0, 0), 1)).await;
    // The same row, the last of a key, in one chunk and far apart.
    check("ID,Title\n7,a\n7,b\n7,c\n", counts(1, 0, 0, 2)).await;
    check(
        "ID,Title\n8,a\n1,x\n2,Y\n3,z\n4,w\n5,a\n6,c\n8,b\n",
        counts(1, 0, 6, 1),
    )
    .await;
    // What a key's first row left as it was, its last one changes.
    check(
        "ID,Title\n1,x\n2,Y\n3,z\n4,w\n1,changed\n5,a\n6,c\n7,c\n2,Y\n",
        counts(0, 1, 6, 2),
    )
    .await;
    // A row that ends early, a cell that is empty, a line break in a cell.
    check(
        "ID,Title,Note\n9,\"two\nlines\",\n10,x\n",
        counts(2, 0, 0, 0),
    )
    .await;
    let items = world.items().await;
    let keys: Vec<&str> = items.keys().map(String::as_str).collect();
    assert_eq!(keys, ["1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]);
    for (key, title) in [("1", "changed"), ("2", "Y"), ("7", "c"), ("8", "b")] {
        assert_eq!(items[key], item(&[("ID", key), ("Title", title)]));
    }
    let nine = item(&[("ID", "9"), ("Title", "two\nlines"), ("Note", "")]);
    assert_eq!(items["9"], nine);
    assert_eq!(items["10"]["Note"], AttributeValue::Null(true));
}

#[tokio::test]
async fn foreign_files_of_all_kinds_on_moto() {
    files_of_all_kinds(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_files_of_all_kinds_on_dynalite() {
    files_of_all_kinds(&Server::dynalite().endpoint).await;
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: false,
        default: None,
        format: None,
        zone: None,
    }
}

async fn declared_types(endpoint: &str) {
    let mut world = World::at(endpoint).await;
    world.table.rows.columns = ColumnType::ALL
        .map(|(name, kind)| column(name, kind))
        .to_vec();
    world.table.key = vec!["integer".to_owned(), "date".to_owned()];
    let csv = "text,integer,decimal,boolean,date,timestamp\n\
               a ,7,1.50,yes,2026-11-30,2026-11-30T10:00:00+01:00\n\
               ,-8,,no,2026-02-28,\n";
    let loaded = world.attempt(&delivery("a.csv", 1), csv).await.unwrap();
    assert_eq!(loaded, counts(2, 0, 0, 0));
    let items = world.items().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let row = &items["7"];
    assert_eq!(
        (&row["text"], &row["decimal"], &row["boolean"]),
        (&text("a "), &number("1.5"), &AttributeValue::Bool(true))
    );
    assert_eq!(
        (&row["date"], &row["timestamp"]),
        (&text("2026-11-30"), &text("2026-11-30T09:00:00Z"))
    );
    let null = AttributeValue::Null(true);
    assert_eq!(
        (&items["-8"]["decimal"], &items["-8"]["timestamp"]),
        (&null, &null)
    );
    // Numbers come back in another form, and are the same.
    let rewritten = csv.replace("1.50", "01.5").replace("yes", "TRUE");
    let loaded = world.attempt(&delivery("a.csv", 2), &rewritten).await;
    assert_eq!(loaded.unwrap(), counts(0, 0, 2, 0));
}

#[tokio::test]
async fn foreign_declared_types_on_moto() {
    declared_types(&Server::moto().endpoint).await;
}

#[tokio::test]
async fn foreign_declared_types_on_dynalite() {
    declared_types(&Server::dynalite().endpoint).await;
}

#[tokio::test]
async fn rows_that_dynamodb_does_not_take_are_told_before() {
    let wire = Wire::to(None).await;
    let world = World::at(&wire.endpoint).await;
    wire.follow(|_, operation, body| match operation {
        "DescribeTable" => super::tables::described(body),
        _ => Verdict::Answer(200, serde_json::json!({})),
    });
    let csv = format!(
        "ID,Title\n1,ok\n{},long key\n2,{}\n3,{}\n",
        "k".repeat(2049),
        "t".repeat(400 * 1024),
        "t".repeat(400 * 1024 - 8),
    );
    let file = world.read(&csv);
    let (load, _) = world.begin(&delivery("a.csv", 1), "ID,Title\n1,x\n").await;
    let refused: Vec<_> = file
        .batches
        .iter()
        .flat_map(|batch| load.refusals(batch))
        .map(|refusal| (refusal.column, refusal.reason))
        .collect();
    let document = include_str!("../../../../../docs/loading.md");
    for (_, reason) in &refused {
        assert!(document.contains(&format!("| {reason} |")), "{reason}");
    }
    assert_eq!(
        refused,
        [
            (
                0,
                "the key has 2049 bytes, and DynamoDB takes 2048".to_owned()
            ),
            (
                1,
                "the row has 409608 bytes, and DynamoDB takes 409600".to_owned()
            ),
        ]
    );
}
