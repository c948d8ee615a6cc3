//! What a file does to the rows that are there, and what it must not do.

use qm_core::config::{ColumnType, LoadMode};
use qm_core::delivery::Outcome;
use qm_testkit::outside::{ClosedFence, OpenFence};
use std::fmt::Write as _;

use super::scene::{Scene, column, counts, csv, file, say};
use super::{Ability, Case, Database, case};

pub(crate) const CASES: &[Case] = &[
    case!(appended_rows_are_added, Ability::AppendAndReplace),
    case!(replaced_rows_go, Ability::AppendAndReplace),
    case!(rows_without_a_key_are_replaced, Ability::AppendAndReplace),
    case!(an_older_version_comes_late, Ability::Atomic),
    case!(a_row_of_a_later_arrival_stays),
    case!(a_closed_fence_loads_nothing, Ability::Atomic),
    case!(typed_columns_and_what_fits_none),
    case!(a_key_of_two_columns),
    case!(a_key_and_nothing_else),
    case!(tables_that_are_not_there, Ability::Atomic),
    case!(many_columns),
];

async fn appended_rows_are_added(database: &dyn Database) {
    let scene = Scene::appending(database, "appended");
    let load = scene.load(&csv(1, "ID,Title\na,x\na,x\n")).await;
    assert_eq!(counts(load.counts), [2, 2, 0, 0, 0, 0]);
    scene.load(&csv(3, "ID,Title\na,y\n")).await;
    // What is added goes over nothing.
    scene.load(&csv(2, "ID,Title\nb,z\n")).await;
    assert_eq!(
        scene.texts(&["ID", "Title"]).await,
        ["a|x", "a|x", "a|y", "b|z"]
    );
}

async fn replaced_rows_go(database: &dyn Database) {
    let mut scene = Scene::new(database, "replaced");
    scene.table.mode = LoadMode::Replace;
    scene.load(&csv(1, "ID,Title\na,1\nb,2\nc,3\n")).await;
    let load = scene
        .load(&csv(2, "ID,Title\nb,2\nc,4\nd,5\nd,6\n,7\n"))
        .await;
    assert_eq!(counts(load.counts), [5, 1, 1, 1, 1, 1]);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["b|2", "c|4", "d|6"]);
    // A file without rows, or without good ones, takes none away.
    scene.load(&csv(3, "ID,Title\n")).await;
    scene.load(&csv(4, "ID,Title\n,x\n")).await;
    assert_eq!(scene.rows(&["ID"]).await.len(), 3);
    let older = scene.fail(&csv(1, "ID,Title\nz,0\n")).await;
    assert!(older.contains("a later file"), "{older}");
    assert_eq!(scene.rows(&["ID"]).await.len(), 3);
}

async fn rows_without_a_key_are_replaced(database: &dyn Database) {
    let mut scene = Scene::appending(database, "replaced_all");
    scene.table.mode = LoadMode::Replace;
    scene.load(&csv(1, "ID,Title\na,1\na,1\n")).await;
    let load = scene.load(&csv(2, "ID,Title\nb,2\n")).await;
    assert_eq!(counts(load.counts), [1, 1, 0, 0, 0, 0]);
    scene.load(&csv(3, "ID,Title\n")).await;
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["b|2"]);
}

async fn an_older_version_comes_late(database: &dyn Database) {
    let scene = Scene::new(database, "late");
    scene.load(&csv(5, "ID,Title\na,new\n")).await;
    let said = scene.fail(&csv(4, "ID,Title\na,old\nb,old\n")).await;
    let sentence = "a later file was loaded into the table first; this one must not go over it";
    assert!(said.contains(sentence), "{said}");
    assert!(super::is_documented(sentence));
    // Another source's file is no version of it.
    let load = scene.load(&file(3, "other.csv", "ID,Title\nc,x\n")).await;
    assert_eq!(load.counts.inserted, 1);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|new", "c|x"]);
}

async fn a_row_of_a_later_arrival_stays(database: &dyn Database) {
    let mut scene = Scene::new(database, "sequence");
    scene.table.sequence = Some("seq".to_owned());
    scene
        .load(&file(3, "b.csv", "ID,Title\na,three\nb,three\n"))
        .await;
    let load = scene
        .load(&file(2, "a.csv", "ID,Title\na,two\nc,two\n"))
        .await;
    assert_eq!(counts(load.counts), [2, 1, 0, 0, 0, 1]);
    let load = scene
        .load(&file(4, "c.csv", "ID,Title\na,four\nb,three\n"))
        .await;
    assert_eq!(counts(load.counts), [2, 0, 1, 1, 0, 0]);
    assert_eq!(
        scene.texts(&["ID", "Title", "seq"]).await,
        ["a|four|4", "b|three|4", "c|two|2"]
    );
}

async fn a_closed_fence_loads_nothing(database: &dyn Database) {
    let scene = Scene::new(database, "fenced");
    scene.load(&csv(1, "ID,Title\na,1\n")).await;
    let second = csv(2, "ID,Title\na,2\nb,2\n");
    let outcome = scene.outcome_with(&second, &ClosedFence, None).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{}", say(&outcome));
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|1"]);
    let outcome = scene.outcome_with(&second, &OpenFence, None).await;
    assert!(matches!(outcome, Outcome::Loaded(_)), "{}", say(&outcome));
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|2", "b|2"]);
}

async fn typed_columns_and_what_fits_none(database: &dyn Database) {
    let mut scene = Scene::new(database, "typed");
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Integer),
        column("price", ColumnType::Decimal),
        column("on", ColumnType::Boolean),
        column("day", ColumnType::Date),
        column("at", ColumnType::Timestamp),
    ];
    let most = "12345678901234567890123456789012345678";
    let text = format!(
        "ID,price,on,day,at\n1,12.50,yes,2026-11-30,2026-11-30T12:00:00Z\n\
         2,{most},no,2024-02-29,2026-11-30T12:00:00.000001+01:00\n\
         9223372036854775808,1,yes,,\n3,1{most}1,yes,,\n4,1,yes,2023-02-29,\n5,,,,\n"
    );
    let load = scene.load(&csv(1, &text)).await;
    assert_eq!(counts(load.counts), [6, 3, 0, 0, 3, 0]);
    let rows = scene.texts(&["ID", "price", "day"]).await;
    let big = format!("2|{most}|2024-02-29");
    let price = if database.can(Ability::Zeros) {
        "12.50"
    } else {
        "12.5"
    };
    let first = format!("1|{price}|2026-11-30");
    assert_eq!(rows, [first, big, "5||".to_owned()]);
    let again = scene.load(&csv(2, &text)).await;
    assert_eq!(counts(again.counts), [6, 0, 0, 3, 3, 0]);
}

async fn a_key_of_two_columns(database: &dyn Database) {
    let mut scene = Scene::new(database, "two_keys");
    scene.table.key = vec!["b".to_owned(), "a".to_owned()];
    scene.load(&csv(1, "a,b,c\n1,1,x\n1,2,x\n2,1,x\n")).await;
    let load = scene.load(&csv(2, "a,b,c\n1,2,y\n2,2,y\n,2,y\n")).await;
    assert_eq!(counts(load.counts), [3, 1, 1, 0, 1, 0]);
    assert_eq!(
        scene.texts(&["a", "b", "c"]).await,
        ["1|1|x", "1|2|y", "2|1|x", "2|2|y"]
    );
}

async fn a_key_and_nothing_else(database: &dyn Database) {
    let scene = Scene::new(database, "only_key");
    scene.load(&csv(1, "ID\na\nb\n")).await;
    let load = scene.load(&csv(2, "ID\nb\nc\n")).await;
    assert_eq!(counts(load.counts), [2, 1, 0, 1, 0, 0]);
    assert_eq!(scene.texts(&["ID"]).await, ["a", "b", "c"]);
}

async fn tables_that_are_not_there(database: &dyn Database) {
    let mut scene = Scene::new(database, "not_there");
    scene.table.create = false;
    let said = scene.fail(&csv(1, "ID,Title\na,1\n")).await;
    assert!(said.contains("there is no table `not_there`"), "{said}");
    scene.table.create = true;
    scene.load(&csv(2, "ID,Title\na,1\n")).await;
    let said = scene.fail(&csv(3, "ID,Title,More\na,1,2\n")).await;
    assert!(said.contains("the table has no column `More`"), "{said}");
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Text),
        column("Title", ColumnType::Integer),
    ];
    let differences = scene.connector().differences().await.unwrap();
    assert_eq!(differences.len(), 1);
    assert!(
        differences[0].starts_with("column `Title` is "),
        "{differences:?}"
    );
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|1"]);
}

async fn many_columns(database: &dyn Database) {
    let scene = Scene::new(database, "many_columns");
    let header: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
    let mut text = format!("ID,{}\n", header.join(","));
    for row in 0..300 {
        let cells: Vec<String> = (0..300).map(|cell| format!("{row}-{cell}")).collect();
        writeln!(text, "r{row},{}", cells.join(",")).unwrap();
    }
    let load = scene.load(&csv(1, &text)).await;
    assert_eq!(counts(load.counts), [300, 300, 0, 0, 0, 0]);
    let rows = scene.texts(&["ID", "c299"]).await;
    assert_eq!(rows.len(), 300);
    assert!(rows.contains(&"r17|17-299".to_owned()));
}
