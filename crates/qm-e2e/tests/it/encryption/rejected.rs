//! What is rejected is sealed where it goes to, as everything else in its bucket.

use anyhow::{Context as _, ensure};
use qm_e2e::{World, wait};
use std::fs;
use std::path::Path;

use crate::support::{Outcome, tree};

const SECRET: &str = "IBAN IE29 AIBK 9311 5212 3456 78";
const QUARANTINED: &str = "rejected/north/large/a.csv";

/// A sealed bucket with a route that takes no large file, and one into a table.
fn world() -> anyhow::Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    let share = world.share("");
    let table = world.path("tables.sqlite").display().to_string();
    world
        .configuration
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("bucket.landing", r#"encryption_key = "landing""#)
        .share(&share)
        .route("to-share", "landing/north/large/**")
        .set("route.to-share.screen", r#"max_size = "1KiB""#)
        .set("route.to-share.screen", r#"quarantine = "rejected/{key}""#)
        .set(
            "route.products",
            r#"when = { arrives = "landing/north/in/*.csv" }"#,
        )
        .set("route.products", r#"deliver = ["products"]"#)
        .set("declaration.products.column.id", r#"type = "integer""#)
        .set("declaration.products.column.title", r#"type = "text""#);
    for line in [
        r#"kind = "sqlite""#,
        &format!("path = {table:?}"),
        r#"table = "products""#,
        r#"declaration = "products""#,
        r#"key = ["id"]"#,
        "create = true",
        r#"rejects = "landing/invalid-records""#,
    ] {
        world.configuration.set("destination.products", line);
    }
    world.start()?;
    Ok(world)
}

/// No file below the folder has it, ours among them.
fn assert_hidden(folder: &Path) -> Outcome {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            assert_hidden(&path)?;
        } else if kind.is_file() {
            let stored = fs::read(&path)?;
            let mut windows = stored.windows(SECRET.len());
            let is_shown = windows.any(|window| window == SECRET.as_bytes());
            ensure!(!is_shown, "{} shows it", path.display());
        }
    }
    Ok(())
}

#[test]
fn quarantine_and_rejected_rows_of_a_sealed_bucket_show_nothing_on_disk() -> Outcome {
    let mut world = world()?;
    let large = format!("{SECRET}\n").repeat(100);
    let rows = format!("id,title\n1,fine\nx,{SECRET}\n");
    for (name, content) in [("north/large/a.csv", &large), ("north/in/a.csv", &rows)] {
        let local = world.write_local("local", content)?.display().to_string();
        let remote = format!("landing/{name}");
        world
            .quaymaster(&["object", "put", &local, &remote])?
            .ok()?;
    }
    let rejects = wait::until("both are where they belong", || {
        let deliveries = world.deliveries()?;
        let loads = deliveries.with(&[("ROUTE", "products")]);
        let file = |id: &str| format!("invalid-records/{id}/invalid_items.json");
        let rejects = loads.first().map(|load| file(load.get("DELIVERY")));
        let is_there = |name: &String| world.bucket(name).exists();
        let are_rejected = rejects.filter(is_there);
        Ok(are_rejected.filter(|_| world.bucket(QUARANTINED).exists()))
    })?;
    ensure!(tree(&world.share(""))?.is_empty());
    for name in [QUARANTINED, rejects.as_str()] {
        let remote = format!("landing/{name}");
        let got = world.quaymaster(&["object", "get", &remote, "-"])?.ok()?;
        got.says(SECRET)?;
    }
    world.stop()?;
    assert_hidden(&world.bucket(""))?;
    assert_hidden(&world.path("data"))
}
