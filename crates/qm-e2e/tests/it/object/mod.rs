//! `quaymaster object …`: operators' files go the way of partners' files, whether a node runs or not.

mod ends;
mod trees;

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{Ran, World, binary, csv};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Outcome, assert_content, staged, tree, wait_until_delivered};

/// A world whose node ran and, unless it is to run, was stopped.
fn world(is_running: bool) -> Result<World> {
    let mut world = World::new()?;
    world
        .configuration
        .set("bucket.landing", "keep_versions = 5");
    world.start()?;
    if !is_running {
        world.stop()?;
    }
    Ok(world)
}

fn object(world: &World, arguments: &[&str]) -> Result<Ran> {
    world.quaymaster(&[&["object"], arguments].concat())
}

/// The command, to be run with standard input and output of one's own.
fn command(world: &World, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command
        .arg("object")
        .args(arguments)
        .current_dir(world.local(""))
        .env("QUAYMASTER_CONFIG", world.configuration_file());
    Ok(command)
}

fn piped(world: &World, arguments: &[&str], input: &[u8]) -> Result<Output> {
    let file = world.write_local("input", input)?;
    let output = command(world, arguments)?
        .stdin(File::open(&file)?)
        .output()?;
    fs::remove_file(file)?;
    ensure!(output.status.success(), "{output:?}");
    Ok(output)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("our folders are text")
}

/// The operator's name, as the machine has it.
fn user() -> Result<String> {
    let output = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn files_of_all_sizes_and_names(is_running: bool) -> Outcome {
    let world = world(is_running)?;
    let large = csv(7, 50 << 20);
    let cases: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("small.csv", b"id\n1\n"),
        ("a b+c & ü 日本.csv", b"id\n2\n"),
        ("large.bin", &large),
    ];
    for (name, content) in cases {
        let local = world.write_local(name, content)?;
        let remote = format!("landing/in/deep/{name}");
        let put = ["put", text(&local)?, "landing/in/deep/"];
        object(&world, &put)?.ok()?.says(&format!("put {remote}"))?;
        assert_content(&world.bucket(format!("in/deep/{name}")), content);
        // What is there stays, unless that is wanted.
        object(&world, &put)?.failed()?.says("--overwrite")?;
        fs::remove_file(&local)?;
        object(&world, &["get", &remote, text(&local)?])?.ok()?;
        assert_content(&local, content);
        let printed = piped(&world, &["get", &remote, "-"], b"")?;
        ensure!(
            printed.stdout == content,
            "{name}: {} bytes",
            printed.stdout.len()
        );
    }
    let listed = object(&world, &["ls", "landing/in/deep", "-l"])?
        .ok()?
        .stdout;
    for (name, content) in cases {
        let size = content.len().to_string();
        let is_line = |line: &str| line.starts_with(&size) && line.ends_with(&format!("Z  {name}"));
        ensure!(listed.lines().any(is_line), "{name} is not in\n{listed}");
    }
    assert_eq!(object(&world, &["ls"])?.ok()?.stdout, "landing/\n");
    assert_eq!(object(&world, &["ls", "landing"])?.ok()?.stdout, "in/\n");

    piped(&world, &["put", "-", "landing/in/small.csv"], &large)?;
    assert_content(&world.bucket("in/small.csv"), &large);
    piped(
        &world,
        &["put", "-", "landing/in/small.csv", "--overwrite"],
        b"new\n",
    )?;
    assert_content(&world.bucket("in/small.csv"), b"new\n");
    object(&world, &["mv", "landing/in/small.csv", "landing/out/"])?.ok()?;
    assert_content(&world.bucket("out/small.csv"), b"new\n");
    let gone = [
        "rm",
        "landing/in/deep/empty",
        "landing/nowhere",
        "landing/out/small.csv",
    ];
    object(&world, &gone)?
        .failed()?
        .says("landing/nowhere: no such file")?;
    ensure!(!world.bucket("out/small.csv").exists() && !world.bucket("in/deep/empty").exists());

    assert_eq!(staged(&world)?, 0);
    assert_eq!(tree(&world.local(""))?.len(), cases.len());
    recorded(&world)
}

/// Arrivals without an account, and who did what.
fn recorded(world: &World) -> Outcome {
    let arrivals = world.arrivals()?;
    assert_eq!(
        arrivals
            .with(&[("ACCOUNT", "-"), ("STATE", "arrived")])
            .len(),
        7
    );
    assert_eq!(arrivals.0.len(), 7);
    let actor = format!("operator:{}", user()?);
    let audit = world.audit()?;
    for (activity, subject, decision) in [
        ("upload", "landing/in/deep/large.bin", "allowed"),
        ("open", "landing/in/deep/large.bin", "allowed"),
        (
            "rename",
            "landing/in/small.csv to landing/out/small.csv",
            "allowed",
        ),
        ("delete", "landing/out/small.csv", "allowed"),
        ("mkdir", "landing/in", "allowed"),
    ] {
        let cells = [
            ("ACTOR", actor.as_str()),
            ("SOURCE", "-"),
            ("ACTIVITY", activity),
            ("SUBJECT", subject),
            ("DECISION", decision),
        ];
        ensure!(
            !audit.with(&cells).is_empty(),
            "{cells:?} is not in {audit:?}"
        );
    }
    Ok(())
}

#[test]
fn an_operators_files_while_the_node_runs() -> Outcome {
    files_of_all_sizes_and_names(true)
}

#[test]
fn an_operators_files_while_no_node_runs() -> Outcome {
    files_of_all_sizes_and_names(false)
}

#[test]
fn what_was_put_without_a_node_is_delivered_by_the_next() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world.start()?;
    piped(&world, &["put", "-", "landing/a.csv"], b"one\n")?;
    world.stop()?;
    let put = piped(&world, &["put", "-", "landing/b.csv"], b"two\n")?;
    ensure!(put.stderr.is_empty(), "{put:?}");
    world.start()?;
    wait_until_delivered(&world)?;
    assert_content(&world.share("a.csv"), b"one\n");
    assert_content(&world.share("b.csv"), b"two\n");
    Ok(())
}

fn versions_and_restoring(is_running: bool) -> Outcome {
    let world = world(is_running)?;
    let states = |world: &World| -> Result<Vec<(String, String)>> {
        let printed = object(world, &["versions", "landing/a.csv"])?.ok()?.stdout;
        let rows = qm_e2e::Rows::parse(&printed, None)?;
        let shown = rows.0.iter().map(|row| {
            let state = row.get("STATE").split(' ').next().unwrap_or_default();
            (row.get("BYTES").to_owned(), state.to_owned())
        });
        Ok(shown.collect())
    };
    let expect = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = rows
            .iter()
            .map(|(bytes, state)| (bytes.to_string(), state.to_string()));
        owned.collect()
    };
    object(&world, &["versions", "landing/a.csv"])?
        .failed()?
        .says("no such file")?;
    for content in ["1", "22", "333"] {
        let put = ["put", "-", "landing/a.csv", "--overwrite"];
        piped(&world, &put, content.as_bytes())?;
    }
    let three = [("3", "current"), ("2", "kept"), ("1", "kept")];
    assert_eq!(states(&world)?, expect(&three));

    // The newest that is kept; what was current is kept in its place.
    object(&world, &["restore", "landing/a.csv"])?.ok()?;
    assert_content(&world.bucket("a.csv"), b"22");
    assert_eq!(
        states(&world)?,
        expect(&[("2", "current"), ("3", "kept"), ("1", "kept")])
    );

    object(&world, &["rm", "landing/a.csv"])?.ok()?;
    ensure!(!world.bucket("a.csv").exists());
    let kept = object(&world, &["versions", "landing/a.csv"])?.ok()?.stdout;
    let kept = qm_e2e::Rows::parse(&kept, None)?;
    let first = kept.with(&[("BYTES", "1")]);
    let first = first.first().context("the first version is kept")?;
    let id = first.get("VERSION").to_owned();
    assert_eq!(first.get("SHA-256"), qm_e2e::digest(b"1"));
    object(&world, &["restore", "landing/a.csv", "--version", &id])?
        .ok()?
        .says(&id)?;
    assert_content(&world.bucket("a.csv"), b"1");
    let again = ["restore", "landing/a.csv", "--version", &id];
    object(&world, &again)?.failed()?.says("is not kept")?;
    let unknown = [
        "restore",
        "landing/a.csv",
        "--version",
        "01JD7Q5Z8M3V9K2N4P6R8T0W1X",
    ];
    object(&world, &unknown)?.failed()?.says("is not kept")?;
    let actor = format!("operator:{}", user()?);
    let cells = [
        ("ACTOR", actor.as_str()),
        ("ACTIVITY", "restore"),
        ("DECISION", "allowed"),
    ];
    assert_eq!(world.audit()?.with(&cells).len(), 2);
    Ok(())
}

#[test]
fn versions_are_listed_and_restored_while_the_node_runs() -> Outcome {
    versions_and_restoring(true)
}

#[test]
fn versions_are_listed_and_restored_while_no_node_runs() -> Outcome {
    versions_and_restoring(false)
}
