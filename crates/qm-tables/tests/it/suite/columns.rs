//! Columns that no cell of the file fills: constants, what is known of the file, and defaults.

use qm_core::config::{Column, ColumnSource, ColumnType};
use qm_core::id::PartnerName;
use qm_core::template::Template;

use super::scene::{Scene, column, counts, file};
use super::{Case, Database, case};

pub(crate) const CASES: &[Case] = &[
    case!(columns_that_the_file_does_not_have),
    case!(a_key_that_the_file_does_not_have),
    case!(a_value_that_the_file_cannot_give),
];

/// The same in every row of a file.
fn fixed(name: &str, kind: ColumnType, value: &str) -> Column {
    Column {
        source: ColumnSource::Fixed(Template::parse(value).unwrap()),
        ..column(name, kind)
    }
}

fn required(name: &str) -> Column {
    Column {
        required: true,
        ..column(name, ColumnType::Text)
    }
}

fn with_default(name: &str, kind: ColumnType, default: &str) -> Column {
    Column {
        default: Some(default.to_owned()),
        ..column(name, kind)
    }
}

async fn columns_that_the_file_does_not_have(database: &dyn Database) {
    let mut scene = Scene::new(database, "fixed_columns");
    scene.partner = Some(PartnerName::parse("north").unwrap());
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Text),
        fixed("agency", ColumnType::Text, "Dublin {{1}}"),
        fixed("batch", ColumnType::Integer, "42"),
        fixed("file", ColumnType::Text, "{name}"),
        fixed("place", ColumnType::Text, "{bucket}:{key}"),
        fixed("sender", ColumnType::Text, "{partner}"),
        fixed("day", ColumnType::Date, "{arrived:%Y-%m-%d}"),
        fixed(
            "seen",
            ColumnType::Timestamp,
            "{arrived:%Y-%m-%dT%H:%M:%SZ}",
        ),
        required("Title"),
        with_default("price", ColumnType::Decimal, "0.5"),
        with_default("state", ColumnType::Text, "new"),
    ];
    let text = "ID,Title,price\na,x,\nb,,1\nc,y,2.25\n";
    let first = file(1, "my file.csv", text);
    let load = scene.load(&first).await;
    assert_eq!(counts(load.counts), [3, 2, 0, 0, 1, 0]);
    let rejects = scene.rejects(&first).unwrap();
    let reason = "line 3, column Title: a value is required, and it is empty";
    assert!(rejects.contains(reason), "{rejects}");
    let names = [
        "ID", "agency", "batch", "file", "place", "sender", "day", "Title", "price", "state",
    ];
    let rows = |name: &str| {
        let known = format!("Dublin {{1}}|42|{name}|landing:raw-data/{name}|north|2026-11-20");
        [
            format!("a|{known}|x|0.5|new"),
            format!("c|{known}|y|2.25|new"),
        ]
    };
    assert_eq!(scene.texts(&names).await, rows("my file.csv"));
    // Databases write the zone and the letter between in their own ways.
    for seen in scene.texts(&["seen"]).await {
        assert!(
            seen.starts_with("2026-11-20") && seen.contains(":01:00"),
            "{seen}"
        );
    }
    // The same cells in another file are another row.
    let load = scene.load(&file(2, "other.csv", text)).await;
    assert_eq!(counts(load.counts), [3, 0, 2, 0, 1, 0]);
    assert_eq!(scene.texts(&names).await, rows("other.csv"));
}

async fn a_key_that_the_file_does_not_have(database: &dyn Database) {
    let mut scene = Scene::new(database, "fixed_key");
    scene.table.key.push("file".to_owned());
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Text),
        fixed("file", ColumnType::Text, "{stem}"),
    ];
    for (number, name) in [(1, "one.csv"), (2, "two.csv")] {
        let load = scene.load(&file(number, name, "ID\na\na\n")).await;
        assert_eq!(counts(load.counts), [2, 1, 0, 0, 0, 1]);
    }
    assert_eq!(scene.texts(&["ID", "file"]).await, ["a|one", "a|two"]);
}

/// It is the configuration that is wrong: no row can be right.
async fn a_value_that_the_file_cannot_give(database: &dyn Database) {
    let mut scene = Scene::new(database, "fixed_wrong");
    for (kind, value, expect) in [
        (
            ColumnType::Text,
            "{partner}",
            "the file is in no partner's mailbox",
        ),
        (
            ColumnType::Integer,
            "{name}",
            "column known: `a.csv` is not an integer",
        ),
    ] {
        scene.table.rows.columns =
            vec![column("ID", ColumnType::Text), fixed("known", kind, value)];
        let said = scene.fail(&file(1, "a.csv", "ID\na\n")).await;
        assert!(said.contains(expect), "{said}");
        assert!(scene.rows(&["ID"]).await.is_empty());
    }
}
