//! Copies in a folder: the same path, whole files only, the newest last.

use anyhow::{Context as _, ensure};
use qm_e2e::{World, csv, digest, wait};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Outcome, assert_content, tree, wait_until_delivered};

fn world() -> anyhow::Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.start()?;
    Ok(world)
}

#[test]
fn foreign_deliver_keeps_the_path_and_makes_folders() -> Outcome {
    let world = world()?;
    world.write_local("tree/a b.csv", "a\n")?;
    world.write_local("tree/deep/er/u\u{308}.csv", csv(1, 2_000_000))?;
    world.sftp("north", "put -r tree\n")?.ok()?;
    wait_until_delivered(&world)?;
    assert_eq!(tree(&world.share("north"))?, tree(&world.bucket("north"))?);
    assert_content(
        &world.share("north/tree/deep/er/u\u{308}.csv"),
        &csv(1, 2_000_000),
    );
    let shown = world.deliveries()?;
    let id = shown
        .0
        .first()
        .context("a delivery")?
        .get("DELIVERY")
        .to_owned();
    world
        .quaymaster(&["delivery", "show", &id])?
        .ok()?
        .says("sha256")?
        .says("ATTEMPT")?;
    Ok(())
}

#[test]
fn foreign_deliver_cuts_the_leading_folder_that_is_to_be_cut() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world
        .configuration
        .set("destination.share", "strip = \"north\"");
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    wait_until_delivered(&world)?;
    assert_eq!(tree(&world.share(""))?, ["a.csv".to_owned()].into());
    Ok(())
}

/// As system S5 wants it.
#[test]
fn foreign_deliver_sets_owner_and_permissions() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    for line in [
        "uid = 10002",
        "gid = 10002",
        "mode = \"0664\"",
        "folder_mode = \"0770\"",
    ] {
        world.configuration.set("destination.share", line);
    }
    world.start()?;
    ensure!(
        rustix::process::geteuid().is_root(),
        "this test sets owners, which needs root: run `cargo xtask test` as root"
    );
    world.write_local("a.csv", "a\n")?;
    world
        .sftp("north", "mkdir sub\nput a.csv sub/a.csv\n")?
        .ok()?;
    wait_until_delivered(&world)?;
    for (name, mode) in [
        ("north", 0o770),
        ("north/sub", 0o770),
        ("north/sub/a.csv", 0o664),
    ] {
        let found = world.share(name).metadata()?;
        let is = (
            found.uid(),
            found.gid(),
            found.permissions().mode() & 0o7777,
        );
        assert_eq!(is, (10_002, 10_002, mode), "{name}");
    }
    Ok(())
}

/// Somebody who looks all the time never sees less than a whole version.
#[test]
fn foreign_deliver_shows_only_whole_files() -> Outcome {
    let world = world()?;
    let versions: Vec<Vec<u8>> = (1..=8).map(|seed| csv(seed, 3_000_000)).collect();
    let allowed: BTreeSet<String> = versions.iter().map(|version| digest(version)).collect();
    let target = world.share("north/a.csv");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            loop {
                // Asked before the look, so that the last version is looked at.
                let was_over = is_over.load(Ordering::Acquire);
                if let Ok(bytes) = fs::read(&target) {
                    let found = digest(&bytes);
                    ensure!(
                        allowed.contains(&found),
                        "{} bytes are no whole version",
                        bytes.len()
                    );
                    seen.insert(found);
                }
                if was_over {
                    return Ok(seen);
                }
            }
        });
        let delivered = versions.iter().try_for_each(|version| {
            world.write_local("a.csv", version)?;
            world.sftp("north", "put a.csv\n")?.ok()?;
            Ok(())
        });
        let delivered = delivered.and_then(|()| wait_until_delivered(&world));
        is_over.store(true, Ordering::Release);
        let seen = watcher
            .join()
            .map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
        delivered?;
        let seen = seen?;
        ensure!(
            seen.len() >= 2,
            "the watcher saw {} versions: it proved nothing",
            seen.len()
        );
        ensure!(
            seen.contains(&digest(&versions[7])),
            "the newest version was not seen"
        );
        Ok(())
    })?;
    assert_eq!(
        tree(&world.share(""))?,
        ["north/".to_owned(), "north/a.csv".to_owned()].into()
    );
    Ok(())
}

#[test]
fn foreign_deliver_both_versions_when_one_is_overwritten_while_open() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.configuration.set(
        "route.to-share",
        "retry = [\"200ms\", \"400ms\", \"1s\", \"2s\", \"4s\", \"8s\"]",
    );
    world
        .configuration
        .set("route.to-share", "on_failure = \"block\"");
    world.start()?;
    // Deliveries wait while the destination is away.
    fs::rename(world.share(""), world.path("away"))?;
    for content in ["first\n", "second\n", "third and newest\n"] {
        world.write_local("a.csv", content)?;
        world.sftp("north", "put a.csv\n")?.ok()?;
    }
    world.sftp("north", "put a.csv b.csv\nrm b.csv\n")?.ok()?;
    wait::until_true("the deliveries have been tried", || {
        Ok(world.deliveries()?.with(&[("STATE", "waiting")]).len() == 4)
    })?;
    fs::rename(world.path("away"), world.share(""))?;
    wait_until_delivered(&world)?;
    assert_eq!(world.arrivals()?.column("BYTES"), ["17", "17", "7", "6"]);
    assert_eq!(world.deliveries()?.0.len(), 4);
    assert_content(&world.share("north/a.csv"), b"third and newest\n");
    // Removed from the bucket before it could be delivered, and delivered all the same.
    assert_content(&world.share("north/b.csv"), b"third and newest\n");
    assert_eq!(tree(&world.bucket("north"))?, ["a.csv".to_owned()].into());
    Ok(())
}

/// Unless a route says otherwise, a version that a newer one overtook need not be delivered.
#[test]
fn foreign_deliver_the_newest_version_supersedes_those_that_wait() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.configuration.set(
        "route.to-share",
        "retry = [\"200ms\", \"400ms\", \"1s\", \"2s\", \"4s\", \"8s\", \"16s\"]",
    );
    world.start()?;
    fs::rename(world.share(""), world.path("away"))?;
    for content in ["first\n", "second\n", "third and newest\n"] {
        world.write_local("a.csv", content)?;
        world.sftp("north", "put a.csv\n")?.ok()?;
    }
    wait::until_true("the older ones are superseded", || {
        Ok(world.deliveries()?.with(&[("STATE", "superseded")]).len() == 2)
    })?;
    fs::rename(world.path("away"), world.share(""))?;
    wait_until_delivered(&world)?;
    assert_eq!(world.arrivals()?.0.len(), 3);
    assert_eq!(world.deliveries()?.with(&[("STATE", "delivered")]).len(), 1);
    assert_content(&world.share("north/a.csv"), b"third and newest\n");
    Ok(())
}

#[test]
fn foreign_deliver_only_what_a_route_asks_for() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    let share = world.share("");
    world
        .configuration
        .share(&share)
        .route("tables", "landing/north/in/*.csv");
    world.configuration.set("route.tables", "min_size = 3");
    world.start()?;
    world.write_local("a.csv", "abc\n")?;
    world.write_local("small.csv", "a\n")?;
    world.sftp(
        "north",
        "mkdir in\nput a.csv in/a.csv\nput a.csv in/a.txt\nput a.csv a.csv\nput small.csv in/small.csv\n\
         put a.csv in/b.csv.tmp\n",
    )?.ok()?;
    wait_until_delivered(&world)?;
    assert_eq!(
        tree(&world.share(""))?,
        ["north/", "north/in/", "north/in/a.csv"]
            .map(str::to_owned)
            .into()
    );
    // The rename completes the upload under a temp name; a later rename fires nothing again.
    world
        .sftp(
            "north",
            "rename in/b.csv.tmp in/b.csv\nrename in/a.csv in/c.csv\n",
        )?
        .ok()?;
    wait_until_delivered(&world)?;
    assert_eq!(
        tree(&world.share("north/in"))?,
        ["a.csv", "b.csv"].map(str::to_owned).into()
    );
    Ok(())
}

/// The name changes, the version is the same: it is delivered under the name it arrived under.
#[test]
fn foreign_deliver_what_was_renamed_while_its_delivery_was_open() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.configuration.set(
        "route.to-share",
        "retry = [\"500ms\", \"1s\", \"2s\", \"4s\", \"8s\"]",
    );
    world.start()?;
    fs::rename(world.share(""), world.path("away"))?;
    world.write_local("a.csv", "a\n")?;
    world
        .sftp("north", "put a.csv\nrename a.csv b.csv\n")?
        .ok()?;
    fs::rename(world.path("away"), world.share(""))?;
    wait_until_delivered(&world)?;
    assert_eq!(tree(&world.share("north"))?, ["a.csv".to_owned()].into());
    assert_content(&world.share("north/a.csv"), b"a\n");
    Ok(())
}
