//! A full disk under the database of a table: the load is tried again and then a dead letter that says why,
//! the table is as it was, and with room again everything is loaded.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{SmallDisk, World, wait};
use qm_testkit::outside::postgres::Cluster;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use crate::support::{Outcome, keep_database, loading, psql, wait_until_delivered};

const MEGABYTE: u64 = 1024 * 1024;
/// What is there before, and what does not fit.
const FEW: u32 = 1_000;
const MANY: u32 = 150_000;

/// A world that loads into a table there, and gives up soon.
fn world(place: &[&str]) -> Result<World> {
    let mut world = loading(place)?;
    let destination = "destination.products";
    world
        .configuration
        .set("route.products", r#"retry = ["100ms", "100ms"]"#)
        .set("declaration.products.column.id", r#"type = "integer""#)
        .set("declaration.products.column.title", "required = true")
        .set(destination, "create = true")
        .set(
            destination,
            r#"breaker = { failures = 1000, pause = "1s" }"#,
        );
    Ok(world)
}

fn put(world: &World, name: &str, rows: u32, title: &str) -> Outcome {
    let mut text = "id,title\n".to_owned();
    for number in 0..rows {
        writeln!(text, "{number},{title} {number:060}")?;
    }
    let file = world.write_local(name, text)?;
    let file = file.to_str().context("our folders are text")?;
    world
        .quaymaster(&["object", "put", file, &format!("landing/north/{name}")])?
        .ok()?;
    Ok(())
}

fn is_dead(world: &World, name: &str) -> Outcome {
    let object = format!("landing/north/{name}");
    let dead = wait::until("it is given up", || {
        let deliveries = world.deliveries()?;
        let dead = deliveries.with(&[("STATE", "dead"), ("OBJECT", &object)]);
        Ok(dead.first().map(|row| (*row).clone()))
    })?;
    assert_eq!(dead.get("ATTEMPTS"), "3");
    let said = dead.get("LAST ERROR");
    ensure!(said.contains("the disk of the database is full"), "{said}");
    Ok(())
}

fn counts(world: &World, name: &str) -> Result<String> {
    let list = world.quaymaster(&["load", "list"])?.ok()?.stdout;
    let id = list
        .lines()
        .find(|line| line.ends_with(&format!(" landing/north/{name}")))
        .and_then(|line| line.split_whitespace().next())
        .with_context(|| format!("no load of {name} in {list}"))?;
    let shown = world.quaymaster(&["delivery", "show", id])?.ok()?.stdout;
    let line = shown.lines().find(|line| line.contains(" rows read: "));
    Ok(line.with_context(|| shown.clone())?.trim().to_owned())
}

/// With room again: nothing but the rows of before was in the table, and now all are.
fn recovers(world: &World) -> Outcome {
    put(world, "same.csv", FEW, "first")?;
    let all = ["delivery", "redrive", "--destination", "products"];
    wait::until_true("what was there is loaded again", || {
        let loads = world.quaymaster(&["load", "list"])?.ok()?.stdout;
        Ok(loads
            .lines()
            .any(|line| line.contains(" loaded ") && line.ends_with("/same.csv")))
    })?;
    let said = counts(world, "same.csv")?;
    let unchanged = format!("{FEW} rows read: 0 inserted, 0 updated, {FEW} unchanged");
    ensure!(said.contains(&unchanged), "{said}");
    world.quaymaster(&all)?.ok()?;
    wait_until_delivered(world)?;
    let said = counts(world, "many.csv")?;
    let (new, changed) = (MANY - FEW, FEW);
    let loaded = format!("{MANY} rows read: {new} inserted, {changed} updated, 0 unchanged");
    ensure!(said.contains(&loaded), "{said}");
    Ok(())
}

#[test]
fn foreign_the_disk_of_a_sqlite_table_fills_up_while_loading() -> Outcome {
    let folder = tempfile::tempdir()?;
    let disk = SmallDisk::mount(folder.path(), 64 * MEGABYTE)?;
    let file = folder.path().join("tables.sqlite");
    let path = format!("path = {:?}", file.display().to_string());
    let mut world = world(&[r#"kind = "sqlite""#, &path])?;
    world.start()?;
    put(&world, "few.csv", FEW, "first")?;
    wait_until_delivered(&world)?;
    // Room for some of the rows: it is full in the middle.
    let ballast = folder.path().join("ballast");
    fs::write(&ballast, vec![0; usize::try_from(56 * MEGABYTE)?])?;
    put(&world, "many.csv", MANY, "other")?;
    is_dead(&world, "many.csv")?;
    fs::remove_file(&ballast)?;
    // To the last byte: not even a log can be begun.
    let ballast = disk.fill()?;
    put(&world, "none.csv", FEW, "other")?;
    is_dead(&world, "none.csv")?;
    drop(ballast);
    recovers(&world)
}

#[test]
fn foreign_postgres_the_disk_of_a_table_fills_up_while_loading() -> Outcome {
    let cluster = Cluster::start();
    let connection = cluster.database();
    // Where the server's user may go.
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let small = folder.path().join("small");
    let _disk = SmallDisk::mount(&small, 32 * MEGABYTE)?;
    let rows = small.join("rows");
    fs::create_dir(&rows)?;
    let server = cluster.socket();
    let owner = fs::metadata(server.parent().context("a socket is in a folder")?)?;
    chown(&rows, Some(owner.uid()), None)?;
    let ballast = small.join("ballast");
    fs::write(&ballast, vec![0; usize::try_from(26 * MEGABYTE)?])?;
    psql(
        &connection,
        &format!("CREATE TABLESPACE small LOCATION '{}'", rows.display()),
    )?;
    psql(
        &connection,
        "SET default_tablespace = small; \
         CREATE TABLE products (id bigint PRIMARY KEY, title text NOT NULL)",
    )?;
    let mut world = world(&[r#"kind = "postgres""#, r#"url = "secret:database""#])?;
    keep_database(&mut world, &connection)?;
    world.start()?;
    put(&world, "few.csv", FEW, "first")?;
    wait_until_delivered(&world)?;
    put(&world, "many.csv", MANY, "other")?;
    is_dead(&world, "many.csv")?;
    fs::remove_file(&ballast)?;
    // The pages of what was not committed are free for the next.
    psql(&connection, "VACUUM products")?;
    recovers(&world)
}
