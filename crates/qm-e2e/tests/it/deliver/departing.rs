//! What was delivered follows its object when that is removed or renamed.

use qm_e2e::{S3Server, World, wait};
use std::fs;
use std::path::Path;

use crate::push::partner::Partner;
use crate::support::{Outcome, assert_content, tree, wait_until_delivered};

fn configure(world: &mut World, propagate: &str) -> Outcome {
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    let route = format!("propagate = {propagate}");
    world.configuration.set("route.to-share", &route);
    Ok(())
}

fn wait_for(world: &World, folder: &Path, names: &[&str]) -> Outcome {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    wait::until_true("the copies have followed", || Ok(tree(folder)? == names))?;
    wait_until_delivered(world)
}

#[test]
fn foreign_copies_follow_what_a_partner_and_an_operator_do() -> Outcome {
    let mut world = World::new()?;
    configure(&mut world, r#"["delete", "rename"]"#)?;
    world.start()?;
    let share = world.share("north");
    for name in ["a.csv", "b.csv", "c.csv", "d.csv"] {
        world.write_local(name, name)?;
        world.sftp("north", &format!("put {name}\n"))?.ok()?;
    }
    wait_for(&world, &share, &["a.csv", "b.csv", "c.csv", "d.csv"])?;
    world
        .sftp("north", "rm a.csv\nrename b.csv moved.csv\n")?
        .ok()?;
    wait_for(&world, &share, &["c.csv", "d.csv", "moved.csv"])?;
    assert_content(&share.join("moved.csv"), b"b.csv");
    world
        .quaymaster(&["object", "rm", "landing/north/c.csv"])?
        .ok()?;
    wait_for(&world, &share, &["d.csv", "moved.csv"])?;
    // What an application has changed is not what was delivered.
    fs::write(share.join("d.csv"), b"theirs")?;
    world.sftp("north", "rm d.csv\n")?.ok()?;
    let removed = [("DOES", "remove"), ("STATE", "delivered")];
    wait::until_true("the removals are done", || {
        Ok(world.deliveries()?.with(&removed).len() == 4)
    })?;
    assert_content(&share.join("d.csv"), b"theirs");

    let deliveries = world.deliveries()?;
    let removals = deliveries.with(&[("DOES", "remove")]);
    assert_eq!(removals.len(), 4);
    let last = removals.first().map(|row| row.get("DELIVERY").to_owned());
    let told = world.quaymaster(&["explain", &last.unwrap_or_default()])?;
    told.ok()?
        .says("follows and takes")?
        .says("left where it is")?;
    Ok(())
}

/// What a delivery is followed by, and what grows old among the versions, is nobody's wish.
#[test]
fn foreign_what_the_node_itself_removes_is_not_followed() -> Outcome {
    let mut world = World::new()?;
    configure(&mut world, r#"["delete", "rename"]"#)?;
    world
        .configuration
        .set("route.to-share", "after = \"delete\"");
    world
        .configuration
        .set("bucket.landing", "keep_versions = 0");
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    let object = world.bucket("north/a.csv");
    wait::until_true("the object is removed", || Ok(!object.exists()))?;
    // What would follow is there as soon as the next file has been delivered.
    world.write_local("b.csv", "b\n")?;
    world.sftp("north", "put b.csv\n")?.ok()?;
    let object = world.bucket("north/b.csv");
    wait::until_true("the object is removed", || Ok(!object.exists()))?;
    wait_for(&world, &world.share("north"), &["a.csv", "b.csv"])?;
    assert!(world.deliveries()?.with(&[("DOES", "remove")]).is_empty());
    Ok(())
}

/// Others remove and rename files of a watched bucket, and a copy at a partner's server follows.
#[test]
fn foreign_copies_at_a_partner_follow_what_others_do_in_a_watched_bucket() -> Outcome {
    let mut world = World::new()?;
    let partner = Partner::start(&world)?;
    world.account("north")?;
    partner.configure(&mut world)?;
    world
        .configuration
        .set("bucket.landing.watch", r#"every = "1h""#)
        .set("bucket.landing.watch", r#"settle = "100ms""#)
        .set("destination.bank", r#"strip = "north""#)
        .set("route.push", r#"when = { arrives = "landing/north/**" }"#)
        .set("route.push", r#"deliver = ["bank"]"#)
        .set("route.push", r#"propagate = ["delete"]"#);
    world.start()?;
    let folder = world.bucket("north");
    fs::create_dir_all(&folder)?;
    for name in ["a.csv", "b.csv"] {
        world.write_local(name, name)?;
        world.sftp("north", &format!("put {name}\n"))?.ok()?;
    }
    wait_for(&world, &partner.files, &["a.csv", "b.csv"])?;
    fs::remove_file(folder.join("a.csv"))?;
    wait_for(&world, &partner.files, &["b.csv"])?;
    fs::rename(folder.join("b.csv"), folder.join("c.csv"))?;
    wait_for(&world, &partner.files, &["c.csv"])
}

/// Source and copies in buckets of S3: a copy is taken away there too, and one that is another's is not.
#[test]
fn foreign_copies_in_a_bucket_of_s3_follow() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = World::new()?;
    world.account("north")?;
    world.move_to_s3(&server)?;
    let archive = server.make_bucket("archive")?;
    let endpoint = format!("endpoint = {:?}", server.endpoint());
    world.configuration.may_everything("north");
    world
        .configuration
        .set("bucket.archive", r#"url = "s3://archive""#)
        .set("bucket.archive", r#"region = "us-east-1""#)
        .set("bucket.archive", &endpoint)
        .set("destination.archive", r#"kind = "bucket""#)
        .set("destination.archive", r#"bucket = "archive""#)
        .set("route.copy", r#"when = { arrives = "landing/**" }"#)
        .set("route.copy", r#"deliver = ["archive"]"#)
        .set("route.copy", r#"propagate = ["delete", "rename"]"#);
    world.start()?;
    let copies = archive.join("north");
    for name in ["a.csv", "b.csv", "c.csv"] {
        world.write_local(name, name)?;
        world.sftp("north", &format!("put {name}\n"))?.ok()?;
    }
    wait::until_true("the folder of the copies is there", || Ok(copies.is_dir()))?;
    wait_for(&world, &copies, &["a.csv", "b.csv", "c.csv"])?;
    world
        .sftp("north", "rm a.csv\nrename b.csv moved.csv\n")?
        .ok()?;
    wait_for(&world, &copies, &["c.csv", "moved.csv"])?;
    assert_content(&copies.join("moved.csv"), b"b.csv");
    // Overwritten, the newer version is there and stays there; then it goes with its object.
    world.write_local("c.csv", "newer")?;
    world.sftp("north", "put c.csv\n")?.ok()?;
    wait::until_true("the newer version is copied", || {
        Ok(fs::read(copies.join("c.csv")).is_ok_and(|copy| copy == b"newer"))
    })?;
    world
        .quaymaster(&["object", "rm", "landing/north/c.csv"])?
        .ok()?;
    wait_for(&world, &copies, &["moved.csv"])
}
