//! Who asks for it has every row that a load inserts or updates as a line of the node's log: by its
//! number, without anything of its content.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{Moto, Rows, World};
use qm_testkit::outside::postgres::shared;
use std::fs;

use crate::support::{Outcome, keep_database, wait_until_delivered};

const DOCUMENTS: [&str; 2] = [
    include_str!("../../../../docs/operations.md"),
    include_str!("../../../../docs/loading.md"),
];
/// What those say is to be asked for, and how such a line begins behind its time.
const ASKED: &str = "info,qm_tables::rows=debug";
const TARGET: &str = "qm_tables::rows: ";
/// In every key and every title.
const CANARY: &str = "canary";
/// Row 3 has no count, and row 4 has the key of row 2.
const FIRST: &str = "id,title,count\n\
    canary-1,canary-a,1\ncanary-2,canary-b,1\ncanary-3,canary-c,many\ncanary-2,canary-d,1\ncanary-4,canary-e,1\n";
/// Row 2 is changed, row 3 is new, row 4 has no key, the others are there.
const SECOND: &str = "id,title,count\n\
    canary-1,canary-a,1\ncanary-2,canary-f,1\ncanary-5,canary-g,1\n,canary-h,1\ncanary-4,canary-e,1\n";

/// What became of rows, by their numbers.
type Told = &'static [(&'static str, u64)];

/// A destination, and what is told of both files.
struct Case {
    name: &'static str,
    /// Beside its place.
    lines: &'static [&'static str],
    first: Told,
    second: Told,
}

const KEY: &str = r#"key = ["id"]"#;

/// Rows merged by their key.
const fn merged(name: &'static str, lines: &'static [&'static str]) -> Case {
    Case {
        name,
        lines,
        first: &[("inserted", 1), ("inserted", 4), ("inserted", 5)],
        second: &[("updated", 2), ("inserted", 3)],
    }
}

const IN_SQL: [Case; 4] = [
    merged("products", &[KEY]),
    // A row that this file confirms is written, and not updated.
    merged("sequenced", &[KEY, r#"sequence = "seq""#]),
    merged("replaced", &[KEY, r#"mode = "replace""#]),
    // Without a key no row takes another's place, and none needs one.
    Case {
        name: "added",
        lines: &[r#"mode = "append""#],
        first: &[
            ("inserted", 1),
            ("inserted", 2),
            ("inserted", 4),
            ("inserted", 5),
        ],
        second: &[
            ("inserted", 1),
            ("inserted", 2),
            ("inserted", 3),
            ("inserted", 4),
            ("inserted", 5),
        ],
    },
];

const IN_DYNAMODB: [Case; 3] = [
    merged("products", &[KEY]),
    merged(
        "sequenced",
        &[KEY, r#"sequence = "seq""#, r#"control = "sequenced-turns""#],
    ),
    Case {
        name: "unordered",
        lines: &[KEY, r#"order = "none""#, r#"control = "unordered-turns""#],
        first: &[("written", 1), ("written", 4), ("written", 5)],
        second: &[
            ("written", 1),
            ("written", 2),
            ("written", 3),
            ("written", 5),
        ],
    },
];

/// A world whose route leads from `landing/north/*.csv` into a table a case.
fn world(place: &[&str], cases: &[Case]) -> Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    world
        .configuration
        .set(
            "route.rows",
            r#"when = { arrives = "landing/north/*.csv" }"#,
        )
        .set("route.rows", &format!("deliver = {names:?}"));
    for (column, kind) in [("id", "text"), ("title", "text"), ("count", "integer")] {
        let table = format!("declaration.rows.column.{column}");
        world.configuration.set(&table, &format!("type = {kind:?}"));
    }
    for case in cases {
        let destination = format!("destination.{}", case.name);
        let table = format!("table = {:?}", case.name);
        let common = [table.as_str(), r#"declaration = "rows""#, "create = true"];
        for line in place.iter().chain(&common).chain(case.lines) {
            world.configuration.set(&destination, line);
        }
    }
    Ok(world)
}

fn put(world: &World, name: &str, content: &str) -> Outcome {
    let file = world.write_local(name, content)?;
    let file = file.to_str().context("our folders are text")?;
    let object = format!("landing/north/{name}");
    world.quaymaster(&["object", "put", file, &object])?.ok()?;
    wait_until_delivered(world)
}

/// Exactly these rows are told, all of them before the load's own line.
fn assert_told(log: &str, deliveries: &Rows, case: &Case, name: &str, expect: Told) -> Outcome {
    let object = format!("landing/north/{name}");
    let of_case = deliveries.with(&[("OBJECT", object.as_str()), ("DESTINATION", case.name)]);
    let id = of_case.first().context("it was delivered")?.get("DELIVERY");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
    let is_end = |line: &&str| line.contains("load ended");
    let end = lines.iter().position(is_end).context("no load ended")?;
    let (before, after) = lines.split_at(end);
    let is_row = |line: &&str| line.contains(TARGET);
    ensure!(!after.iter().any(is_row), "{after:#?}");
    let told = before.iter().filter_map(|line| line.split_once(TARGET));
    let mut told: Vec<String> = told.map(|(_, told)| told.to_owned()).collect();
    let mut expect: Vec<String> = expect
        .iter()
        .map(|(became, row)| format!("{became} delivery={id} row={row}"))
        .collect();
    told.sort();
    expect.sort();
    assert_eq!(told, expect, "{name} into {}", case.name);
    Ok(())
}

/// First by a node that is asked for rows, then by one that is not.
fn check(mut world: World, cases: &[Case]) -> Outcome {
    for document in DOCUMENTS {
        ensure!(document.contains(ASKED), "{ASKED} is not documented");
    }
    world.environment("QUAYMASTER_LOG", ASKED);
    world.start()?;
    put(&world, "first.csv", FIRST)?;
    put(&world, "second.csv", SECOND)?;
    let deliveries = world.deliveries()?;
    // Only then a line that comes behind its row of the ledger is surely written.
    world.stop()?;
    let log = fs::read_to_string(world.path("logs/node-1.err"))?;
    for case in cases {
        assert_told(&log, &deliveries, case, "first.csv", case.first)?;
        assert_told(&log, &deliveries, case, "second.csv", case.second)?;
    }
    let has_content = log.lines().find(|line| line.contains(CANARY));
    ensure!(has_content.is_none(), "{has_content:?}");

    world.environment("QUAYMASTER_LOG", "info");
    world.start()?;
    put(&world, "third.csv", FIRST)?;
    world.stop()?;
    let log = fs::read_to_string(world.path("logs/node-2.err"))?;
    assert_eq!(log.matches("load ended").count(), cases.len(), "{log}");
    ensure!(!log.contains(TARGET), "{log}");
    Ok(())
}

#[test]
fn every_row_that_goes_into_sqlite_is_told_to_those_who_ask() -> Outcome {
    let place = [r#"kind = "sqlite""#, r#"path = "tables.sqlite""#];
    check(world(&place, &IN_SQL)?, &IN_SQL)
}

#[test]
fn foreign_postgres_every_row_that_goes_in_is_told_to_those_who_ask() -> Outcome {
    let cluster = shared();
    let place = [r#"kind = "postgres""#, r#"url = "secret:database""#];
    let mut world = world(&place, &IN_SQL)?;
    keep_database(&mut world, &cluster.database())?;
    check(world, &IN_SQL)
}

#[test]
fn foreign_every_row_that_goes_into_dynamodb_is_told_to_those_who_ask() -> Outcome {
    let folder = tempfile::tempdir()?;
    let moto = Moto::start(folder.path())?;
    let endpoint = format!("endpoint = {:?}", moto.url());
    let place = [
        r#"kind = "dynamodb""#,
        r#"region = "us-east-1""#,
        endpoint.as_str(),
    ];
    check(world(&place, &IN_DYNAMODB)?, &IN_DYNAMODB)
}
