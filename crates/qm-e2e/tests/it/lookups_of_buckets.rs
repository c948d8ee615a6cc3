//! Buckets on S3 that the configuration does not know: they are looked up.

use anyhow::ensure;
use qm_e2e::{S3Server, World, csv, wait};
use serde_json::{Value, json};
use std::fs;

use crate::support::{
    Outcome, assert_content, keep_looked_up, keep_secrets, tree, wait_until_delivered,
};

/// What nobody may be told.
const CANARY: &str = "hunter2-canary";
const KEY: &str = "push/north";
/// Longer than what is sent in one request.
const LARGE_BYTES: usize = 20 * 1024 * 1024;

fn pushing() -> anyhow::Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    keep_secrets(&mut world)?;
    world
        .configuration
        .set("route.push", r#"when = { arrives = "landing/*/**" }"#)
        .set("route.push", "retry = []")
        .set("route.push.lookup", r#"kind = "secrets""#)
        .set("route.push.lookup", r#"name = "push/{path.0}""#)
        .set("route.push.lookup", r#"require_tag = { service = "push" }"#);
    Ok(world)
}

/// A secret that leads into a bucket of the server.
fn leading_to(server: &S3Server, url: &str, more: &[(&str, Value)]) -> Value {
    let mut secret = json!({
        "kind": "bucket",
        "url": url,
        "region": "us-east-1",
        "endpoint": server.endpoint(),
        "external_id": CANARY,
    });
    for (name, value) in more {
        secret[*name] = value.clone();
    }
    secret
}

fn upload(world: &World, name: &str, content: &[u8]) -> Outcome {
    world.write_local(name, content)?;
    world.sftp("north", &format!("put {name}\n"))?.ok()?;
    Ok(())
}

fn wait_until_dead(world: &World, words: &str) -> Outcome {
    wait::until_true(&format!("a delivery is dead: {words}"), || {
        let deliveries = world.deliveries()?;
        let dead = deliveries.with(&[("STATE", "dead"), ("ATTEMPTS", "1")]);
        Ok(dead.iter().any(|row| row.get("LAST ERROR").contains(words)))
    })
}

#[test]
fn foreign_files_go_to_a_bucket_that_is_looked_up() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let (theirs, others) = (server.make_bucket("theirs")?, server.make_bucket("others")?);
    let mut world = pushing()?;
    let named = [("remote_name", json!("in/{name}"))];
    let secret = leading_to(&server, "s3://theirs/from-us/", &named);
    keep_looked_up(&world, KEY, &secret)?;
    world.start()?;
    upload(&world, "a.csv", b"a,b\n")?;
    wait_until_delivered(&world)?;
    assert_content(&theirs.join("from-us/in/a.csv"), b"a,b\n");
    let large = csv(7, LARGE_BYTES);
    upload(&world, "large.csv", &large)?;
    wait_until_delivered(&world)?;
    assert_content(&theirs.join("from-us/in/large.csv"), &large);
    ensure!(server.open_uploads("theirs")? == 0, "an upload is left");

    // As it is at the next attempt, and under the name that it has here.
    keep_looked_up(&world, KEY, &leading_to(&server, "s3://others", &[]))?;
    upload(&world, "b.csv", b"b,c\n")?;
    wait_until_delivered(&world)?;
    assert_content(&others.join("b.csv"), b"b,c\n");
    world.stop()
}

#[test]
fn foreign_what_a_looked_up_bucket_does_not_take_stays() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let theirs = server.make_bucket("theirs")?;
    let mut world = pushing()?;
    let takes = [("types", json!("csv")), ("max_size", json!("1KiB"))];
    let secret = leading_to(&server, "s3://theirs", &takes);
    keep_looked_up(&world, KEY, &secret)?;
    world.start()?;
    let long = csv(1, 2048);
    upload(&world, "a.csv", &long)?;
    wait_until_dead(&world, "2048 bytes, more than the 1024")?;
    upload(&world, "b.csv", b"\x7fELF\x02\x01")?;
    wait_until_dead(&world, "its content is something else")?;
    // Another's bucket is not there, and no folder of the node is one.
    let nowhere = leading_to(&server, "s3://nowhere", &[]);
    keep_looked_up(&world, KEY, &nowhere)?;
    upload(&world, "c.csv", b"a,b\n")?;
    wait::until_true("what goes to a bucket that is not there is dead", || {
        let dead = [("OBJECT", "landing/north/c.csv"), ("STATE", "dead")];
        Ok(!world.deliveries()?.with(&dead).is_empty())
    })?;
    let at_home = leading_to(&server, "file:///tmp/hunter2-canary", &[]);
    keep_looked_up(&world, KEY, &at_home)?;
    upload(&world, "d.csv", b"a,b\n")?;
    wait_until_dead(&world, "`url` of the secret is not that of a bucket on S3")?;
    assert_content(&world.bucket("north/a.csv"), &long);
    assert_content(&world.bucket("north/d.csv"), b"a,b\n");
    ensure!(!theirs.join("a.csv").exists() && !theirs.join("b.csv").exists());

    let mended = leading_to(&server, "s3://theirs", &[]);
    keep_looked_up(&world, KEY, &mended)?;
    let mut told = String::new();
    for command in [&["delivery", "export", "--all"][..], &["alert", "list"]] {
        told.push_str(&world.quaymaster(command)?.ok()?.stdout);
    }
    world.quaymaster(&["delivery", "redrive", "--all"])?.ok()?;
    wait_until_delivered(&world)?;
    assert_content(&theirs.join("a.csv"), &long);
    assert_content(&theirs.join("d.csv"), b"a,b\n");
    world.stop()?;
    told.push_str(&fs::read_to_string(world.path("logs/node-1.err"))?);
    ensure!(!told.contains(CANARY), "{told}");
    Ok(())
}

#[test]
fn foreign_a_looked_up_bucket_is_told_of_and_tried_beforehand() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let theirs = server.make_bucket("theirs")?;
    let mut world = pushing()?;
    let named = [("remote_name", json!("in/{name}"))];
    let secret = leading_to(&server, "s3://theirs/from-us", &named);
    keep_looked_up(&world, KEY, &secret)?;
    let nowhere = leading_to(&server, "s3://nowhere", &[]);
    keep_looked_up(&world, "push/south", &nowhere)?;
    world.start()?;
    let simulate = ["simulate", "--path", "landing/north/a.csv"];
    world
        .quaymaster(&simulate)?
        .ok()?
        .says("  destination  s3://theirs/from-us\n  name there   in/a.csv")?;
    let test = ["destination", "test", "push", "--key"];
    world
        .quaymaster(&[&test[..], &[KEY]].concat())?
        .ok()?
        .says("bucket `theirs` answers")?
        .says("destination `push/push/north` works")?;
    let left = tree(&theirs)?;
    ensure!(!left.iter().any(|name| name.contains(".tmp")), "{left:?}");
    let failed = world.quaymaster(&[&test[..], &["push/south"]].concat())?;
    failed
        .failed()?
        .says("FAILED  ")?
        .says("destination `push/push/south` does not work")?;
    world.stop()
}
