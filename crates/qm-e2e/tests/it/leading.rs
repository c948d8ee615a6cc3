//! What is looked up may name a destination of the configuration: one of those that the route's lookup
//! lists, and no other.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{World, wait};
use serde_json::{Value, json};
use std::fs;

use crate::support::{
    Outcome, assert_content, keep_looked_up, keep_secrets, tree, wait_until_delivered,
};

const NOT_ALLOWED: &str =
    "the looked-up destination `others` is not among those that the lookup allows";

/// Partners whose files may go to `share` by what is looked up; there is a destination `others`.
fn pushing() -> Result<World> {
    let mut world = World::new()?;
    for partner in ["north", "south"] {
        world.account(partner)?;
    }
    keep_secrets(&mut world)?;
    let (share, others) = (world.share(""), world.path("others"));
    fs::create_dir(&others)?;
    let path = format!("path = {:?}", others.display().to_string());
    world
        .configuration
        .share(&share)
        .set("destination.others", r#"kind = "directory""#)
        .set("destination.others", &path)
        .set("route.push", r#"when = { arrives = "landing/*/**" }"#)
        .set("route.push", "retry = []")
        .set("route.push", r#"after = "delete""#)
        .set("route.push.lookup", r#"kind = "secrets""#)
        .set("route.push.lookup", r#"name = "push/{path.0}""#)
        .set("route.push.lookup", r#"require_tag = { service = "push" }"#)
        .set("route.push.lookup", r#"destinations = ["share"]"#);
    Ok(world)
}

fn leading_to(destination: &str, more: &[(&str, Value)]) -> Value {
    let mut secret = json!({"kind": "destination", "destination": destination});
    for (name, value) in more {
        secret[*name] = value.clone();
    }
    secret
}

fn put(world: &World, path: &str, content: &[u8]) -> Outcome {
    let local = world.write_local("file", content)?;
    let local = local.to_str().context("our folders are text")?;
    world.quaymaster(&["object", "put", local, path])?.ok()?;
    Ok(())
}

fn wait_until_gone(world: &World, key: &str) -> Outcome {
    wait::until_true(&format!("{key} is tidied up"), || {
        Ok(!world.bucket(key).exists())
    })
}

#[test]
fn a_secret_leads_to_a_folder_that_its_route_allows_and_to_no_other() -> Outcome {
    let mut world = pushing()?;
    let named = [("remote_name", json!("from-north/{name}"))];
    keep_looked_up(&world, "push/north", &leading_to("share", &named))?;
    keep_looked_up(&world, "push/south", &leading_to("others", &[]))?;
    world.start()?;
    put(&world, "landing/north/in/a.csv", b"a,b\n")?;
    wait_until_delivered(&world)?;
    assert_content(&world.share("from-north/a.csv"), b"a,b\n");
    let delivered = [("DESTINATION", "push/push/north"), ("ATTEMPTS", "1")];
    let deliveries = world.deliveries()?;
    ensure!(deliveries.with(&delivered).len() == 1, "{deliveries:?}");
    wait_until_gone(&world, "north/in/a.csv")?;

    put(&world, "landing/south/b.csv", b"b,c\n")?;
    wait::until_true("what goes astray is dead", || {
        let deliveries = world.deliveries()?;
        let dead = deliveries.with(&[("STATE", "dead"), ("ATTEMPTS", "1")]);
        Ok(dead
            .iter()
            .any(|row| row.get("LAST ERROR").contains(NOT_ALLOWED)))
    })?;
    let firing = [("STATE", "firing"), ("ALERT", "lookup:push")];
    let alerts = world.alerts()?;
    ensure!(alerts.with(&firing).len() == 1, "{alerts:?}");
    assert_content(&world.bucket("south/b.csv"), b"b,c\n");
    ensure!(tree(&world.path("others"))?.is_empty());

    // Under the name that the destination gives it.
    world.stop()?;
    let both = r#"destinations = ["share", "others"]"#;
    world.configuration.set("route.push.lookup", both);
    world.start()?;
    world.quaymaster(&["delivery", "redrive", "--all"])?.ok()?;
    wait_until_delivered(&world)?;
    assert_content(&world.path("others/south/b.csv"), b"b,c\n");
    wait_until_gone(&world, "south/b.csv")?;
    world.stop()
}

#[test]
fn where_a_secret_leads_is_told_and_tried_beforehand() -> Outcome {
    let mut world = pushing()?;
    world
        .configuration
        .set("bucket.archive", r#"url = "file://archive""#)
        .set("destination.archive", r#"kind = "bucket""#)
        .set("destination.archive", r#"bucket = "archive""#)
        .set(
            "route.push.lookup",
            r#"destinations = ["share", "archive"]"#,
        );
    keep_looked_up(&world, "push/north", &leading_to("archive", &[]))?;
    keep_looked_up(&world, "push/south", &leading_to("others", &[]))?;
    world.start()?;
    let simulate = ["simulate", "--path", "landing/north/a.csv"];
    world
        .quaymaster(&simulate)?
        .ok()?
        .says("  destination  archive\n  name there   north/a.csv")?;
    world
        .quaymaster(&["destination", "list"])?
        .ok()?
        .says("as push/{path.0}, perhaps share, archive")?;
    let test = |key| world.quaymaster(&["destination", "test", "push", "--key", key]);
    test("push/north")?
        .ok()?
        .says("it leads to destination `archive`")?
        .says("destination `push/push/north` works")?;
    test("push/south")?.failed()?.says(NOT_ALLOWED)?;
    let left = tree(&world.path("archive"))?;
    ensure!(left.is_empty(), "{left:?}");
    world.stop()
}
