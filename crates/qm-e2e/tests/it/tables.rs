//! Tables before anything is loaded into them: what `plan` says of those that are there, what `table
//! suggest` makes of a workbook, and what becomes of files that came before their table.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{World, wait};
use qm_testkit::outside::postgres::shared;
use rusqlite::Connection;
use std::fs;

use crate::support::{Outcome, keep_database, loading, psql, wait_until_delivered};

const DOCUMENT: &str = include_str!("../../../../docs/loading.md");
const DESTINATION: &str = "destination.products";
const WORKBOOK: &[u8] = include_bytes!("../../../qm-rows/tests/it/data/products.xlsx");
/// Unlike the declaration wherever it can be.
const OTHER: &str =
    "CREATE TABLE products (id INTEGER, title INTEGER, code TEXT GENERATED ALWAYS AS ('x') STORED,
                     made TEXT NOT NULL)";
const SAME: &str =
    "DROP TABLE products; CREATE TABLE products (id BIGINT PRIMARY KEY, title TEXT, code TEXT,
                    price NUMERIC, made TEXT)";

/// A world that loads into a table there.
fn world(place: &[&str]) -> Result<World> {
    let mut world = loading(place)?;
    for (column, kind) in [
        ("id", "integer"),
        ("title", "text"),
        ("code", "text"),
        ("price", "decimal"),
    ] {
        let table = format!("declaration.products.column.{column}");
        world.configuration.set(&table, &format!("type = {kind:?}"));
    }
    Ok(world)
}

/// What a plan says of tables.
fn said(world: &World) -> Result<Vec<String>> {
    world.write_configuration()?;
    let file = world.configuration_file();
    let file = file.to_str().context("our folders are text")?;
    let plan = world.quaymaster(&["plan", file])?.ok()?.stdout;
    let of_tables = plan
        .lines()
        .filter(|line| line.starts_with("! destination ") || line.starts_with("? destination "));
    Ok(of_tables.map(str::to_owned).collect())
}

/// Sentence by sentence, as the table becomes what the declaration says.
fn check(world: &mut World, integer: &str, execute: impl Fn(&str) -> Outcome) -> Outcome {
    let none = "there is no table `products`";
    assert_eq!(said(world)?, [format!("! destination products: {none}")]);
    execute(OTHER)?;
    let wrong_type =
        format!("column `title` is {integer} in the table and text in the declaration");
    let expect = [
        wrong_type.as_str(),
        "column `code` is computed by the database and cannot be loaded",
        "the table has no column `price`",
        "column `made` of the table must have a value and nothing is loaded into it",
        "the table has no primary key or unique index over exactly the key's columns: \"id\"",
    ];
    for sentence in [&[none][..], &expect].concat() {
        // As one of the databases has it.
        let sentence = sentence.replace(" integer in the table", " INTEGER in the table");
        let is_documented = DOCUMENT.contains(&format!("| {sentence} |"));
        ensure!(is_documented, "{sentence}");
    }
    let expect = expect.map(|sentence| format!("! destination products: {sentence}"));
    assert_eq!(said(world)?, expect);
    execute(SAME)?;
    assert_eq!(said(world)?, [""; 0]);
    execute("DROP TABLE products")?;
    world.configuration.set(DESTINATION, "create = true");
    assert_eq!(said(world)?, [""; 0]);
    Ok(())
}

#[test]
fn a_plan_says_how_a_sqlite_table_differs() -> Outcome {
    let mut world = world(&[r#"kind = "sqlite""#, r#"path = "tables.sqlite""#])?;
    let file = world.path("tables.sqlite");
    check(&mut world, "INTEGER", |sql| {
        Connection::open(&file)?.execute_batch(sql)?;
        Ok(())
    })?;
    fs::write(
        &file,
        "no database, but as long as a header of one would be, and longer".repeat(4),
    )?;
    let broken = "? destination products: its table cannot be looked at now: the file is not a database, or is damaged";
    assert_eq!(said(&world)?, [broken]);
    Ok(())
}

#[test]
fn foreign_postgres_a_plan_says_how_a_table_differs() -> Outcome {
    let cluster = shared();
    let connection = cluster.database();
    let mut world = world(&[r#"kind = "postgres""#, r#"url = "secret:database""#])?;
    let secret = keep_database(&mut world, &connection)?;
    check(&mut world, "integer", |sql| psql(&connection, sql))?;
    fs::write(&secret, "host=/nowhere user=quaymaster dbname=none")?;
    let said = said(&world)?.join("\n");
    let begins = "? destination products: its table cannot be looked at now: ";
    ensure!(said.starts_with(begins), "{said}");
    Ok(())
}

#[test]
fn a_draft_is_made_of_the_sheet_that_is_named() -> Outcome {
    let world = World::new()?;
    let book = world.write_local("shop.xlsx", WORKBOOK)?;
    let book = book.to_str().context("our folders are text")?;
    let suggest = |options: &[&str]| {
        let arguments = [&["table", "suggest", book][..], options].concat();
        world.quaymaster(&arguments)
    };
    let draft = suggest(&["--sheet", "Data"])?.ok()?.stdout;
    for part in [
        "[declaration.shop]\nsheet = \"Data\"\n",
        "[declaration.shop.column.name]\nheader = \"Name\"\n",
    ] {
        ensure!(draft.contains(part), "{part}\nis not in\n{draft}");
    }
    suggest(&[])?.ok()?.says("header = \"nothing here\"")?;
    suggest(&["--sheet", "Rows"])?
        .failed()?
        .says("the workbook has no sheet `Rows`; it has `Notes`, `Data`")?;
    // The draft is a configuration, and the sheet is what is held against it.
    world.write_configuration()?;
    let file = world.configuration_file();
    let written = fs::read_to_string(&file)?;
    fs::write(&file, format!("{written}\n{draft}"))?;
    let ran = world.quaymaster(&["table", "check", book, "--declaration", "shop"])?;
    ran.failed()?
        .says("1 of 3 rows would be rejected by declaration `shop`")?;
    Ok(())
}

/// Rows of any file are added to table `log`.
fn adding() -> Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    for (table, line) in [
        ("route.log", r#"when = { arrives = "landing/north/*.csv" }"#),
        ("route.log", r#"deliver = ["log"]"#),
        ("route.log", "retry = []"),
        ("declaration.log.column.id", r#"type = "integer""#),
        ("destination.log", r#"kind = "sqlite""#),
        ("destination.log", r#"path = "tables.sqlite""#),
        ("destination.log", r#"table = "log""#),
        ("destination.log", r#"declaration = "log""#),
        ("destination.log", r#"mode = "append""#),
    ] {
        world.configuration.set(table, line);
    }
    Ok(world)
}

/// The next version of the file, with one row.
fn put(world: &World, id: usize) -> Outcome {
    let file = world.write_local("day.csv", format!("id\n{id}\n"))?;
    let file = file.to_str().context("our folders are text")?;
    let to = "landing/north/day.csv";
    world
        .quaymaster(&["object", "put", file, to, "--overwrite"])?
        .ok()?;
    Ok(())
}

fn wait_for(world: &World, state: &str, count: usize) -> Outcome {
    wait::until_true(&format!("{count} are {state}"), || {
        Ok(world.deliveries()?.with(&[("STATE", state)]).len() == count)
    })
}

#[test]
fn each_version_adds_its_rows_also_when_it_is_redriven_after_newer_ones() -> Outcome {
    let mut world = adding()?;
    world.start()?;
    // There is no table yet.
    for id in [1, 2] {
        put(&world, id)?;
        wait_for(&world, "dead", id)?;
    }
    let table = Connection::open(world.path("tables.sqlite"))?;
    table.execute_batch("CREATE TABLE log (id INTEGER)")?;
    put(&world, 3)?;
    wait_for(&world, "delivered", 1)?;
    wait_for(&world, "dead", 2)?;
    world.quaymaster(&["delivery", "redrive", "--all"])?.ok()?;
    wait_until_delivered(&world)?;
    wait_for(&world, "delivered", 3)?;
    let mut rows = table.prepare("SELECT id FROM log ORDER BY rowid")?;
    let ids = rows.query_map([], |row| row.get::<_, i64>(0))?;
    assert_eq!(ids.collect::<rusqlite::Result<Vec<_>>>()?, [3, 1, 2]);
    Ok(())
}
