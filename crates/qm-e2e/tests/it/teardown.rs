//! What teardown must not lose: files of any bucket with the keys that sealed them, and what a node
//! answers for meanwhile.

use anyhow::{Context as _, ensure};
use qm_e2e::{Background, Ran, World, binary, wait};
use rustix::process::Signal;
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::packaging::Root;
use crate::support::{Outcome, on_s3, tree};

const CONFIG: &str = "etc/quaymaster/quaymaster.toml";
const DATA: &str = "var/lib/quaymaster";

/// The node of that machine, once it listens.
fn serve(world: &World, root: &Root) -> anyhow::Result<Background> {
    let mut command = Command::new(binary()?);
    command.arg("serve").arg("-c").arg(root.0.join(CONFIG));
    let mut node = Background::start(&mut command, &world.path("logs"), "node")?;
    node.wait_for("it listens", |said| {
        said.contains("listening on ").then_some(())
    })?;
    Ok(node)
}

fn stop(node: &mut Background) -> Outcome {
    node.signal(Signal::TERM)?;
    let status = node.wait_within(Duration::from_mins(1))?;
    ensure!(status.success(), "{status}: {}", node.story());
    Ok(())
}

fn teardown(world: &World, root: &Root) -> anyhow::Result<Ran> {
    world.quaymaster(&["teardown", "--root", &root.text()?])
}

/// `install`'s own configuration, untouched, is not all there is.
#[test]
fn a_bucket_of_conf_d_is_looked_at() -> Outcome {
    let world = World::new()?;
    let root = Root(world.path("root"));
    fs::create_dir(&root.0)?;
    world
        .quaymaster(&["install", "--root", &root.text()?])?
        .ok()?;
    let more = root.0.join("etc/quaymaster/conf.d/more.toml");
    fs::create_dir_all(more.parent().context("a folder")?)?;
    fs::write(&more, "[bucket.other]\nurl = \"file:///mnt/other\"\n")?;
    let file = root.0.join("mnt/other/a.csv");
    fs::create_dir_all(file.parent().context("a folder")?)?;
    fs::write(&file, "a\n")?;
    let before = tree(&root.0)?;
    let refused = teardown(&world, &root)?.failed()?;
    ensure!(
        refused.stderr.contains("is not empty") && refused.stderr.contains("a.csv"),
        "{refused}"
    );
    assert_eq!(tree(&root.0)?, before);
    fs::remove_file(&file)?;
    teardown(&world, &root)?.ok()?;
    ensure!(!root.0.join(DATA).exists(), "it is left");
    Ok(())
}

#[test]
fn a_bucket_that_is_not_mounted_is_not_taken_for_an_empty_one() -> Outcome {
    let world = World::new()?;
    let root = Root::installed(&world)?;
    let (config, mounted) = (root.0.join(CONFIG), root.0.join("mnt/other"));
    let text = fs::read_to_string(&config)?;
    let url = format!("file://{}", mounted.display());
    fs::write(&config, format!("{text}\n[bucket.other]\nurl = {url:?}\n"))?;
    stop(&mut serve(&world, &root)?)?;
    ensure!(mounted.is_dir(), "the node made no bucket");

    let away = root.0.join("away");
    fs::rename(&mounted, &away)?;
    let refused = |what: &str| -> Outcome {
        let before = tree(&root.0)?;
        let refused = teardown(&world, &root)?.failed()?;
        ensure!(
            refused.stderr.contains("not mounted") && refused.stderr.contains("mnt/other"),
            "{what}: {refused}"
        );
        assert_eq!(tree(&root.0)?, before, "{what}");
        Ok(())
    };
    refused("nothing there")?;
    fs::create_dir(&mounted)?;
    refused("the folder below the mount")?;

    fs::remove_dir(&mounted)?;
    fs::rename(&away, &mounted)?;
    teardown(&world, &root)?.ok()?;
    ensure!(!root.0.join(DATA).exists(), "it is left");
    Ok(())
}

#[test]
fn a_node_that_serves_is_not_torn_down() -> Outcome {
    let world = World::new()?;
    let root = Root::installed(&world)?;
    let mut node = serve(&world, &root)?;
    // The data folder changes while the node runs; that it answers tells of it.
    let outside = || -> anyhow::Result<_> {
        let folders = ["etc", "usr", "srv"].map(|folder| tree(&root.0.join(folder)));
        folders.into_iter().collect::<anyhow::Result<Vec<_>>>()
    };
    let before = outside()?;
    let refused = teardown(&world, &root)?.failed()?;
    let sentence = format!("process {} works in the data folder", node.id());
    ensure!(refused.stderr.contains(&sentence), "{refused}");
    assert_eq!(outside()?, before);
    let data = root.0.join(DATA);
    let data_text = data.to_str().context("our folders are text")?;
    world.quaymaster(&["health", "--data", data_text])?.ok()?;

    stop(&mut node)?;
    teardown(&world, &root)?.ok()?;
    ensure!(!data.exists(), "it is left");
    Ok(())
}

/// Files under temporary names are uploads there, and versions are kept where nobody lists them.
#[test]
fn foreign_teardown_sees_what_no_object_on_s3_shows() -> Outcome {
    let (mut world, _proxy, server) = on_s3()?;
    let data = world.path("data");
    world
        .configuration
        .set("node", &format!("data = {:?}", data.display().to_string()));
    world.start()?;
    world.paramiko("north")?.run(
        "
        upload(sftp, '/b.csv', b'one')
        upload(sftp, '/b.csv', b'two')
        upload(sftp, '/a.csv.filepart', b'not renamed')
        sftp.remove('/b.csv')
        ",
    )?;
    world.stop()?;
    // The machine is the world's folder: its node's data lie in it.
    let root = Root(world.path(""));
    world
        .quaymaster(&["install", "--root", &root.text()?])?
        .ok()?;
    fs::copy(world.configuration_file(), root.0.join(CONFIG))?;
    teardown(&world, &root)?
        .failed()?
        .says("1 under temporary names (north/a.csv.filepart), 2 kept as earlier versions (north/b.csv, …)")?;
    ensure!(root.0.join(DATA).exists(), "its keys are gone");

    world
        .configuration
        .set("bucket.landing", "keep_versions = 0");
    world.start()?;
    let mut north = world.paramiko("north")?;
    north.run("sftp.remove('/a.csv.filepart')\nresult = None")?;
    // One that breaks off is nobody's file.
    north.run(
        "
        handle = open_handle(sftp, '/c.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE)
        for n in range(520):
            sftp._read_response(send(sftp, handle, n * 32768, bytes(32768)))
        ",
    )?;
    north.kill()?;
    wait::until_true("it broke off", || {
        let arrivals = world.quaymaster(&["arrival", "list"])?.ok()?;
        Ok(arrivals.stdout.contains("broken off"))
    })?;
    // Retention has its own pace.
    wait::until_true("nothing but the folder is left", || {
        let kept = world.bucket(".quaymaster/kept");
        Ok(!kept.exists() || fs::read_dir(kept)?.next().is_none())
    })?;
    world.stop()?;
    fs::copy(world.configuration_file(), root.0.join(CONFIG))?;
    ensure!(server.open_uploads("landing")? == 1, "it did not stay");
    teardown(&world, &root)?
        .ok()?
        .says("left      1 unfinished uploads of bucket landing")?;
    ensure!(!root.0.join(DATA).exists(), "it is left");
    Ok(())
}
