//! Whole folders, and what a command refuses.

use anyhow::ensure;
use qm_e2e::World;
use std::fs;

use super::{object, text, world};
use crate::support::{Outcome, assert_content, staged, tree};

#[test]
fn folders_go_in_and_out_whole() -> Outcome {
    let world = world(true)?;
    let names = ["a.csv", "in/b + ü.csv", "in/deep/c", "in/deep/d e"];
    for name in names {
        world.write_local(&format!("from/{name}"), name)?;
    }
    fs::create_dir(world.local("from/none"))?;
    std::os::unix::fs::symlink("/etc/passwd", world.local("from/link"))?;
    let from = world.local("from");
    object(&world, &["put", text(&from)?, "landing/x"])?
        .failed()?
        .says("-r")?;
    object(&world, &["put", "-r", text(&from)?, "landing/x"])?
        .ok()?
        .says("left out")?;
    for name in names {
        assert_content(&world.bucket(format!("x/{name}")), name.as_bytes());
    }
    ensure!(world.bucket("x/none").is_dir() && !world.bucket("x/link").exists());

    // What is there stays; what is new is put.
    world.write_local("from/a.csv", "changed")?;
    world.write_local("from/z.csv", "new")?;
    object(&world, &["put", "-r", text(&from)?, "landing/x"])?
        .failed()?
        .says("4 of 5 files were there already")?;
    assert_content(&world.bucket("x/a.csv"), b"a.csv");
    assert_content(&world.bucket("x/z.csv"), b"new");
    object(
        &world,
        &["put", "-r", text(&from)?, "landing/x", "--overwrite"],
    )?
    .ok()?;
    assert_content(&world.bucket("x/a.csv"), b"changed");

    let listed = object(&world, &["ls", "-r", "landing"])?.ok()?.stdout;
    let expect = "landing/x/a.csv\nlanding/x/in/b + ü.csv\nlanding/x/in/deep/c\nlanding/x/in/deep/d e\nlanding/x/z.csv\n";
    assert_eq!(listed, expect);
    let to = world.local("to");
    object(&world, &["get", "-r", "landing/x", text(&to)?])?.ok()?;
    fs::remove_file(world.local("from/link"))?;
    assert_eq!(tree(&to)?, tree(&from)?);
    for name in tree(&from)?.iter().filter(|name| !name.ends_with('/')) {
        assert_content(&to.join(name), &fs::read(from.join(name))?);
    }

    let before = tree(&world.bucket(""))?;
    object(&world, &["rm", "-r", "landing/x/in"])?
        .failed()?
        .says("3 files")?
        .says("--yes")?;
    assert_eq!(tree(&world.bucket(""))?, before);
    object(
        &world,
        &["rm", "-r", "landing/x/in", "landing/x/z.csv", "--yes"],
    )?
    .ok()?;
    let left: Vec<String> = tree(&world.bucket("x"))?.into_iter().collect();
    assert_eq!(left, ["a.csv", "none/"]);
    object(&world, &["rm", "-r", "landing", "--yes"])?.ok()?;
    ensure!(tree(&world.bucket(""))?.is_empty());
    assert_eq!(staged(&world)?, 0);
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused_and_said() -> Outcome {
    let world = world(true)?;
    let file = world.write_local("a.csv", "1")?;
    let file = text(&file)?;
    for (arguments, code, expect) in [
        (&["ls", "nowhere"][..], 1, "no such bucket"),
        (&["ls", "landing/nowhere"], 1, "no such file"),
        (&["get", "landing"], 1, "names no file"),
        (
            &["get", "landing/nowhere", "x"],
            1,
            "landing/nowhere: no such file",
        ),
        (&["put", "nowhere.csv", "landing"], 1, "nowhere.csv"),
        (
            &["put", file, "nowhere/a.csv"],
            1,
            "nowhere: there is no such bucket",
        ),
        (&["put", "-", "landing"], 1, "names no file"),
        (&["put", file, "landing/a\\b"], 2, "backslash"),
        (&["put", file, "landing/../../etc/x"], 2, "outside"),
        (&["mv", "landing/a", "other/a"], 1, "stays in its bucket"),
        (&["rm"], 2, "Usage"),
        (&["restore", "landing/a", "--version", "x"], 2, "version id"),
    ] {
        let ran = object(&world, arguments)?.says(expect)?;
        assert_eq!(ran.code, Some(code), "{ran}");
    }
    ensure!(tree(&world.bucket(""))?.is_empty());
    assert_eq!(staged(&world)?, 0);
    let quiet = object(&world, &["put", "-q", file, "landing"])?.ok()?;
    ensure!(
        quiet.stdout.is_empty() && quiet.stderr.is_empty(),
        "{quiet}"
    );
    Ok(())
}

#[test]
fn without_a_ledger_there_are_no_objects() -> Outcome {
    let world = World::new()?;
    world.write_configuration()?;
    object(&world, &["ls"])?
        .failed()?
        .says("start the node once")?;
    ensure!(!world.path("data/operator.sock").exists());
    Ok(())
}
