//! What operators do beside serving: status, demo, install, teardown, stopping.

use anyhow::{Context as _, ensure};
use qm_e2e::{Background, S3Server, World, binary, csv, due_in};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Outcome, assert_content, tree};

#[test]
fn status_shows_endpoint_fingerprint_buckets_notifiers_and_what_is_due() -> Outcome {
    let mut world = World::new()?;
    world.configuration.account("north", &[]);
    let due = due_in(Duration::from_hours(1))?;
    world
        .configuration
        .expectation("north", &due, "sre")
        .email("sre", &["sre@example.org"], 25);
    world.quaymaster(&["status"])?.failed()?;
    world.start()?;
    let said = world.quaymaster(&["status"])?.ok()?.stdout;
    let endpoint = format!("sftp://{}", world.address()?);
    let bucket = format!("file://{}", world.bucket("").display());
    for part in [
        "running as process",
        &endpoint,
        "SHA256:",
        "log  ",
        "standard error of `quaymaster serve`",
        bucket.trim_end_matches('/'),
        "sre@example.org",
        "north-daily",
        &due.time,
        "0 waiting, 0 running, 0 dead",
        "0 firing",
    ] {
        ensure!(said.contains(part), "`{part}` is not in\n{said}");
    }
    world.stop()?;
    world.quaymaster(&["status"])?.ok()?.says("stopped")?;
    Ok(())
}

#[test]
fn health_fails_unless_the_node_of_the_data_folder_answers() -> Outcome {
    let mut world = World::new()?;
    world.write_configuration()?;
    let health = |world: &World| world.quaymaster(&["health"]);
    let none = "no node runs on the data folder";
    health(&world)?.failed()?.says(none)?;
    world.start()?;
    health(&world)?.ok()?.says("answers")?;
    let data = world.path("data");
    let by_folder = ["health", "--data", data.to_str().context("text")?];
    world.quaymaster(&by_folder)?.ok()?;

    world.node()?.process().signal(Signal::STOP)?;
    let frozen = health(&world)?;
    world.node()?.process().signal(Signal::CONT)?;
    frozen.failed()?.says("did not answer within")?;
    health(&world)?.ok()?;

    world.kill()?;
    ensure!(data.join("operator.sock").exists(), "a stale socket");
    health(&world)?.failed()?.says(none)?;
    world.start()?;
    health(&world)?.ok()?;
    world.stop()?;
    health(&world)?.failed()?.says(none)?;
    Ok(())
}

/// What root makes in the folder of the node's user, the node could not use.
#[test]
fn root_works_in_no_data_folder_of_another_user_and_makes_nothing_there() -> Outcome {
    ensure!(
        rustix::process::geteuid().is_root(),
        "this test is root where another user works: run `cargo xtask test` as root"
    );
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world.write_configuration()?;
    let data = world.path("data");
    let refused = |world: &World, commands: &[&str]| -> Outcome {
        chown(&data, Some(65534), None)?;
        let before = tree(&world.path(""))?;
        for command in commands {
            let arguments: Vec<&str> = command.split(' ').collect();
            let ran = world.quaymaster(&arguments)?.failed()?;
            ran.says("sudo -u 'nobody' quaymaster")?;
        }
        assert_eq!(tree(&world.path(""))?, before);
        Ok(())
    };
    fs::create_dir(&data)?;
    let everywhere = [
        "serve",
        "apply",
        "status",
        "key list",
        "health",
        "object ls",
    ];
    refused(&world, &everywhere)?;
    // They open nothing.
    world.quaymaster(&["check"])?.ok()?;
    world.quaymaster(&["plan"])?.ok()?;

    chown(&data, Some(0), None)?;
    world.start()?;
    world.stop()?;
    refused(&world, &everywhere)?;
    let with_a_ledger = [
        "plan",
        "metrics",
        "account key list north",
        "delivery redrive --all",
        "key create landing",
        "destination test share",
    ];
    refused(&world, &with_a_ledger)?;
    chown(&data, Some(0), None)?;
    world.quaymaster(&["status"])?.ok()?;
    Ok(())
}

/// The demo, until it has shown everything; then Ctrl-C.
fn demo(path: Option<&str>) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary)?;
    let mut command = Command::new(binary()?);
    command
        .arg("demo")
        .stdin(Stdio::null())
        .env("TMPDIR", &temporary)
        .env("HOME", folder.path());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut demo = Background::start(&mut command, folder.path(), "demo")?;
    demo.wait_for("the demo has shown everything", |said| {
        let parts = [
            "sftp -P ",
            "2. Arrived: landing/north/report.csv",
            "3. Delivered",
            "Not uploaded any files",
        ];
        parts.iter().all(|part| said.contains(part)).then_some(())
    })?;
    ensure!(
        fs::read_dir(&temporary)?.count() == 1,
        "the demo has no folder"
    );
    demo.signal(Signal::INT)?;
    let status = demo.wait_within(Duration::from_mins(1))?;
    ensure!(status.success(), "{status}: {}", demo.story());
    ensure!(
        fs::read_dir(&temporary)?.count() == 0,
        "the demo left something: {}",
        demo.story()
    );
    demo.stdout()
}

#[test]
fn foreign_demo_with_the_machine_s_client() -> Outcome {
    let said = demo(None)?;
    ensure!(!said.contains("has no sftp client"), "{said}");
    Ok(())
}

#[test]
fn demo_on_a_machine_without_a_client() -> Outcome {
    let said = demo(Some("/nonexistent"))?;
    ensure!(said.contains("has no sftp client"), "{said}");
    Ok(())
}

#[test]
fn install_may_be_repeated_and_teardown_loses_no_file() -> Outcome {
    let world = World::new()?;
    let root = world.path("root");
    fs::create_dir(&root)?;
    let root_text = root.to_str().context("our folders are text")?;
    let install = || world.quaymaster(&["install", "--root", root_text])?.ok();
    let first = install()?;
    ensure!(
        first.stdout.contains("wrote") && !first.stdout.contains("kept"),
        "{first}"
    );
    let made = tree(&root)?;
    let again = install()?;
    ensure!(
        !again.stdout.contains("wrote") && !again.stdout.contains("made"),
        "{again}"
    );
    assert_eq!(tree(&root)?, made);
    for (name, mode) in [
        ("var/lib/quaymaster", 0o700),
        ("etc/quaymaster/secrets", 0o700),
        ("usr/local/bin/quaymaster", 0o755),
    ] {
        let found = root.join(name).metadata()?.permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    let check = Command::new(root.join("usr/local/bin/quaymaster"))
        .arg("check")
        .arg(root.join("etc/quaymaster/quaymaster.toml"))
        .output()?;
    ensure!(check.status.success(), "the sample is not right: {check:?}");

    // An edited configuration is the operator's.
    let configuration = root.join("etc/quaymaster/quaymaster.toml");
    let edited = format!("{}\n# mine\n", fs::read_to_string(&configuration)?);
    fs::write(&configuration, &edited)?;
    install()?;
    assert_content(&configuration, edited.as_bytes());

    let file = root.join("srv/quaymaster/landing/north/a.csv");
    fs::create_dir_all(file.parent().context("a folder")?)?;
    fs::write(&file, "a\n")?;
    let before = tree(&root)?;
    let refused = world
        .quaymaster(&["teardown", "--root", root_text])?
        .failed()?;
    ensure!(
        refused.stderr.contains("is not empty") && refused.stderr.contains("a.csv"),
        "{refused}"
    );
    assert_eq!(tree(&root)?, before);
    fs::remove_file(&file)?;
    world
        .quaymaster(&["teardown", "--root", root_text])?
        .ok()?
        .says("it was edited")?;
    let left: Vec<String> = tree(&root)?
        .into_iter()
        .filter(|name| !name.ends_with('/'))
        .collect();
    assert_eq!(left, ["etc/quaymaster/quaymaster.toml"]);
    world.quaymaster(&["teardown", "--root", root_text])?.ok()?;
    Ok(())
}

/// The keys that may have sealed them would go with the data folder.
#[test]
fn foreign_teardown_refuses_while_a_bucket_on_s3_has_a_file() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let objects = server.make_bucket("landing")?;
    let world = World::new()?;
    let root = world.path("root");
    fs::create_dir(&root)?;
    let root_text = root.to_str().context("our folders are text")?;
    world.quaymaster(&["install", "--root", root_text])?.ok()?;
    let edited = format!(
        "[node]\ndata = {:?}\n[listen.sftp]\naddress = \"127.0.0.1:0\"\n[bucket.landing]\nurl = \"s3://landing\"\n\
         region = \"us-east-1\"\nendpoint = {:?}\n",
        root.join("var/lib/quaymaster"),
        server.endpoint()
    );
    fs::write(root.join("etc/quaymaster/quaymaster.toml"), edited)?;
    let file = objects.join("a.csv");
    fs::write(&file, "a\n")?;
    let teardown = ["teardown", "--root", root_text];
    let refused = world.quaymaster(&teardown)?.failed()?;
    ensure!(
        refused.stderr.contains("is not empty") && refused.stderr.contains("a.csv"),
        "{refused}"
    );
    ensure!(
        root.join("var/lib/quaymaster").exists(),
        "its keys are gone"
    );
    fs::remove_file(&file)?;
    world.quaymaster(&teardown)?.ok()?;
    ensure!(!root.join("var/lib/quaymaster").exists(), "it is left");
    Ok(())
}

#[test]
fn foreign_a_graceful_stop_keeps_what_was_received_to_be_resumed() -> Outcome {
    let mut world = World::with_north()?;
    let table = csv(1, 2_000_000);
    world.write_local("a.csv", &table)?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        data = open('a.csv', 'rb').read()
        handle = open_handle(sftp, 'a.csv', SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_TRUNC)
        for n in range(30):
            sftp._read_response(send(sftp, handle, n * 32768, data[n * 32768:(n + 1) * 32768]))
        ",
    )?;
    world.stop()?;
    assert!(tree(&world.bucket("north"))?.is_empty());
    world.start()?;
    world
        .quaymaster(&["arrival", "list"])?
        .ok()?
        .says("983040")?;
    // The truth for the one who sent it, also in a listing.
    let seen = world
        .paramiko("north")?
        .run("result = [sftp.stat('a.csv').st_size, sftp.listdir('.')]")?;
    assert_eq!(seen, serde_json::json!([983_040, ["a.csv"]]));
    world.sftp("north", "reput a.csv\n")?.ok()?;
    assert_content(&world.bucket("north/a.csv"), &table);
    let list = world.quaymaster(&["arrival", "list"])?.ok()?;
    ensure!(!list.stdout.contains("broken off"), "{list}");
    assert_eq!(crate::support::staged(&world)?, 0);
    Ok(())
}
