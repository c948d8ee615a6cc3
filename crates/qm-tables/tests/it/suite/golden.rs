//! Case by case what the loader answered that this one replaces, or what it should have.

use qm_core::config::{ColumnType, Encoding, MaxRejected, RejectsFormat};
use qm_core::delivery::Outcome;
use qm_core::load::LoadStatus;
use std::fmt::Write as _;

use super::scene::{Heard, Scene, column, counts, csv, file, say};
use super::{Case, Database, case};
use qm_testkit::outside::OpenFence;

pub(crate) const CASES: &[Case] = &[
    case!(a_thousand_rows_and_the_same_again),
    case!(a_delivery_is_loaded_once),
    case!(wrong_header),
    case!(no_rows),
    case!(a_row_without_its_key),
    case!(one_key_twice_in_a_file),
    case!(ragged_rows),
    case!(encodings),
    case!(cells_keep_what_is_in_them),
    case!(json_and_its_rejects_as_csv),
    case!(too_many_rejects),
    case!(content_that_is_not_what_came),
];

async fn a_thousand_rows_and_the_same_again(database: &dyn Database) {
    let scene = Scene::new(database, "thousand");
    let mut text = "ID,Title,Price\n".to_owned();
    for number in 0..1000 {
        writeln!(text, "p{number},\"Title {number}\",$12.99 ").unwrap();
    }
    let heard = Heard::default();
    let outcome = scene
        .outcome_with(&csv(1, &text), &OpenFence, Some(&heard))
        .await;
    let Outcome::Loaded(load) = outcome else {
        panic!("{}", say(&outcome));
    };
    assert_eq!(counts(load.counts), [1000, 1000, 0, 0, 0, 0]);
    assert_eq!(heard.0.lock().last().unwrap().read, 1000);
    let rows = scene.texts(&["ID", "Title", "Price"]).await;
    assert_eq!(rows.len(), 1000);
    assert_eq!(rows[0], "p0|Title 0|$12.99 ");

    let load = scene.load(&csv(2, &text)).await;
    assert_eq!(counts(load.counts), [1000, 0, 0, 1000, 0, 0]);
    assert_eq!(load.status(), LoadStatus::Loaded);
    let changed = text.replace("Title 7\"", "Title seven\"") + "p1000,new,1\n";
    let load = scene.load(&csv(3, &changed)).await;
    assert_eq!(counts(load.counts), [1001, 1, 1, 999, 0, 0]);
    assert_eq!(scene.rows(&["ID"]).await.len(), 1001);
}

async fn a_delivery_is_loaded_once(database: &dyn Database) {
    let scene = Scene::new(database, "once");
    let first = csv(1, "ID,Title\na,x\nb,y\n");
    let loaded = scene.load(&first).await;
    let later = scene.load(&csv(2, "ID,Title\na,z\n")).await;
    assert_eq!(counts(later.counts), [1, 0, 1, 0, 0, 0]);
    let again = scene.load(&first).await;
    assert_eq!(again.counts, loaded.counts);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|z", "b|y"]);
}

async fn wrong_header(database: &dyn Database) {
    let scene = Scene::new(database, "wrong_header");
    let mut text = "ProductID,Title\n".to_owned();
    for number in 0..14 {
        writeln!(text, "{number},t").unwrap();
    }
    let bad = csv(1, &text);
    let load = scene.load(&bad).await;
    assert_eq!(counts(load.counts), [14, 0, 0, 0, 14, 0]);
    assert_eq!(load.status(), LoadStatus::AllRejected);
    let rejects = scene.rejects(&bad).unwrap();
    assert_eq!(rejects.matches("\"ProductID\": {\"S\": ").count(), 14);
    let path = load.rejects.unwrap().to_string();
    assert!(path.ends_with("/invalid_items.json"), "{path}");
    assert!(scene.rows(&["ID"]).await.is_empty());
    assert_eq!(scene.bucket().staged(), 0);
    // A second attempt, and a delivery that is asked for again, write nothing else.
    assert_eq!(scene.load(&bad).await.counts, load.counts);
    assert_eq!(scene.bucket().puts(), 1);
}

async fn no_rows(database: &dyn Database) {
    let scene = Scene::new(database, "no_rows");
    for (number, text) in [(1, "ID,Title\n"), (2, "")] {
        let load = scene.load(&csv(number, text)).await;
        assert_eq!(counts(load.counts), [0; 6]);
        assert_eq!(load.status(), LoadStatus::NoRows);
        assert_eq!(load.rejects, None);
    }
    assert!(scene.bucket().keys().is_empty());
}

async fn a_row_without_its_key(database: &dyn Database) {
    let scene = Scene::new(database, "no_key");
    let partly = csv(1, "ID,Title\na,x\n,y\nb,z\n");
    let load = scene.load(&partly).await;
    assert_eq!(counts(load.counts), [3, 2, 0, 0, 1, 0]);
    assert_eq!(load.status(), LoadStatus::Partly);
    let rejects = scene.rejects(&partly).unwrap();
    let item = "{\"ID\": {\"S\": \"\"}, \"Title\": {\"S\": \"y\"}";
    assert!(rejects.contains(item), "{rejects}");
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|x", "b|z"]);
}

async fn one_key_twice_in_a_file(database: &dyn Database) {
    let scene = Scene::new(database, "twice");
    let load = scene.load(&csv(1, "ID,Title\na,1\nb,2\na,3\n")).await;
    assert_eq!(counts(load.counts), [3, 2, 0, 0, 0, 1]);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|3", "b|2"]);
    let load = scene.load(&csv(2, "ID,Title\na,4\na,5\nc,6\nc,7\n")).await;
    assert_eq!(counts(load.counts), [4, 1, 1, 0, 0, 2]);
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|5", "b|2", "c|7"]);
}

async fn ragged_rows(database: &dyn Database) {
    let mut scene = Scene::new(database, "ragged");
    let ragged = csv(1, "ID,Title,Price\na,x,1\nb,y,2,3\nc,z\n");
    let load = scene.load(&ragged).await;
    assert_eq!(counts(load.counts), [3, 2, 0, 0, 1, 0]);
    let rows = scene.rows(&["ID", "Price"]).await;
    let of = |id: &str, price: Option<&str>| vec![Some(id.to_owned()), price.map(str::to_owned)];
    assert_eq!(rows, [of("a", Some("1")), of("c", None)]);

    scene.table.rows.columns = ["ID", "Title", "Price"]
        .map(|name| column(name, ColumnType::Text))
        .to_vec();
    scene.table.rows.columns[2].required = true;
    "ragged_required".clone_into(&mut scene.table.table);
    let load = scene.load(&csv(2, "ID,Title,Price\na,x,1\nc,z\n")).await;
    assert_eq!(counts(load.counts), [2, 1, 0, 0, 1, 0]);
}

async fn encodings(database: &dyn Database) {
    let mut scene = Scene::new(database, "encodings");
    let load = scene.load(&csv(1, "\u{feff}ID,Title\na,x\n")).await;
    assert_eq!(counts(load.counts), [1, 1, 0, 0, 0, 0]);
    let latin = file(2, "latin.csv", b"ID,Title\nb,caf\xe9\n".to_vec());
    let Outcome::Loaded(load) = scene.outcome(&latin).await else {
        panic!("a row in another encoding is a bad row");
    };
    assert_eq!(counts(load.counts), [1, 0, 0, 0, 1, 0]);
    let rejects = scene.rejects(&latin).unwrap();
    assert!(rejects.contains("byte"), "{rejects}");
    scene.table.rows.encoding = Encoding::Latin1;
    let declared = file(3, "latin.csv", b"ID,Title\nc,caf\xe9\n".to_vec());
    scene.load(&declared).await;
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|x", "c|café"]);
}

async fn cells_keep_what_is_in_them(database: &dyn Database) {
    let scene = Scene::new(database, "cells");
    let text = "ID,Title\na,\"one, two\nthree \"\"four\"\"\"\nb,five\u{2028}six\n";
    scene.load(&file(1, "my file.csv", text)).await;
    assert_eq!(
        scene.texts(&["ID", "Title"]).await,
        ["a|one, two\nthree \"four\"", "b|five\u{2028}six"]
    );
}

async fn json_and_its_rejects_as_csv(database: &dyn Database) {
    let mut scene = Scene::new(database, "json");
    scene.table.rejects.as_mut().unwrap().format = RejectsFormat::Csv;
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Text),
        column("Count", ColumnType::Integer),
    ];
    let text = "{\"ID\": \"a\", \"Count\": 1}\n{\"ID\": \"b\", \"Count\": \"=1+1\"}\n";
    let bad = file(1, "products.json", text);
    let load = scene.load(&bad).await;
    assert_eq!(counts(load.counts), [2, 1, 0, 0, 1, 0]);
    let key = format!("invalid-records/{}/rejected.csv", bad.delivery.id);
    let bytes = scene.bucket().bytes(&key).unwrap();
    let rejects = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(rejects.starts_with("line,column,reason"), "{rejects}");
    // What a spreadsheet would take for a formula is none any more.
    assert!(!rejects.contains(",=1+1"), "{rejects}");
}

async fn too_many_rejects(database: &dyn Database) {
    let mut scene = Scene::new(database, "too_many");
    scene.load(&csv(1, "ID,Title\na,before\n")).await;
    scene.table.rows.max_rejected = Some(MaxRejected::Rows(1));
    let bad = csv(2, "ID,Title\na,1\n,2\n,3\nb,4\n");
    let Outcome::Rejected(error) = scene.outcome(&bad).await else {
        panic!("two are more than one");
    };
    let (sentence, said) = (error.public_message(), error.chain());
    assert!(super::is_documented(sentence), "{sentence}");
    assert!(
        said.contains("[rejected=2]") && said.contains("invalid_items.json"),
        "{said}"
    );
    assert!(scene.rejects(&bad).is_some());
    scene.table.rows.max_rejected = Some(MaxRejected::Percent(10));
    let said = scene.fail(&csv(3, "ID,Title\na,1\n,2\nb,4\n")).await;
    assert!(said.contains("[rejected=1]"), "{said}");
    assert_eq!(scene.texts(&["ID", "Title"]).await, ["a|before"]);
    let load = scene.load(&csv(4, "ID,Title\na,1\nb,4\n")).await;
    assert_eq!(counts(load.counts), [2, 1, 1, 0, 0, 0]);
}

async fn content_that_is_not_what_came(database: &dyn Database) {
    let scene = Scene::new(database, "not_what_came");
    let mut changed = csv(1, "ID,Title\na,x\n");
    changed.bytes = b"ID,Title\na,y\n".to_vec();
    let said = scene.fail(&changed).await;
    assert!(said.contains("not those that were received"), "{said}");
    let mut short = csv(2, "ID,Title\na,x\n");
    short.bytes.truncate(10);
    let said = scene.fail(&short).await;
    assert!(said.contains("not those that were received"), "{said}");
    if database.can(super::Ability::Atomic) {
        assert!(scene.rows(&["ID"]).await.is_empty());
    }
}
