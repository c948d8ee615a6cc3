//! The systemd unit and the container's recipe: what they say holds for the real binary.

use anyhow::{Context as _, ensure};
use qm_e2e::{Background, Ran, World, binary, run};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::Outcome;

pub(crate) const UNIT: &str =
    include_str!("../../../quaymaster/src/cli/install/quaymaster.service");
const SAMPLE: &str = include_str!("../../../quaymaster/src/cli/install/quaymaster.toml");
const CONTAINER: &str = include_str!("../../../../deploy/Containerfile");
const GUIDE: &str = include_str!("../../../../docs/operations.md");
const TOOLCHAIN: &str = include_str!("../../../../rust-toolchain.toml");
/// The most that systemd may find exposed, of 100: a service without any line of ours has 96.
const EXPOSURE_MAX: &str = "--threshold=20";

/// The first value of a key, as units have them.
pub(crate) fn of_unit(key: &str) -> anyhow::Result<&'static str> {
    let value = |line: &'static str| line.strip_prefix(key)?.strip_prefix('=');
    let found = UNIT.lines().find_map(value);
    found.with_context(|| format!("the unit has no {key}"))
}

/// The first value of a key in quotes, as TOML has them.
fn quoted(text: &'static str, key: &str) -> anyhow::Result<&'static str> {
    let value = |line: &'static str| {
        line.strip_prefix(key)?
            .strip_prefix(" = \"")?
            .split('"')
            .next()
    };
    let found = text.lines().find_map(value);
    found.with_context(|| format!("there is no {key} in\n{text}"))
}

/// What follows an instruction, each time it is there.
fn all_of_container(instruction: &str) -> Vec<String> {
    let joined = CONTAINER.replace("\\\n", " ");
    let value = |line: &str| {
        Some(
            line.strip_prefix(instruction)?
                .strip_prefix(' ')?
                .to_owned(),
        )
    };
    joined.lines().filter_map(value).collect()
}

/// What follows an instruction the last time it is there.
fn of_container(instruction: &str) -> anyhow::Result<String> {
    let last = all_of_container(instruction).pop();
    last.with_context(|| format!("the Containerfile has no {instruction}"))
}

/// A list of words as containers have them: `["a", "b"]`.
fn words(list: &str) -> anyhow::Result<Vec<String>> {
    serde_json::from_str(list).with_context(|| list.to_owned())
}

fn health_check() -> anyhow::Result<Vec<String>> {
    let instruction = of_container("HEALTHCHECK")?;
    let (_, command) = instruction.split_once("CMD ").context("a command")?;
    words(command)
}

/// A machine in a folder.
pub(crate) struct Root(pub(crate) PathBuf);

impl Root {
    /// With what `install` makes, listening on a port of its own.
    pub(crate) fn installed(world: &World) -> anyhow::Result<Self> {
        let root = Self(world.path("root"));
        fs::create_dir(&root.0)?;
        world
            .quaymaster(&["install", "--root", &root.text()?])?
            .ok()?;
        let file = root.0.join("etc/quaymaster/quaymaster.toml");
        let moved = fs::read_to_string(&file)?
            .replace("\"/", &format!("\"{}/", root.text()?))
            .replace("file:///", &format!("file://{}/", root.text()?))
            .replace("0.0.0.0:2022", "127.0.0.1:0");
        fs::write(&file, moved)?;
        Ok(root)
    }

    pub(crate) fn text(&self) -> anyhow::Result<String> {
        Ok(self.0.to_str().context("our folders are text")?.to_owned())
    }

    /// A command of that machine: its paths are of this folder.
    fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        let (program, arguments) = words.split_first().context("a program")?;
        let mut command = Command::new(format!("{}{program}", self.text()?));
        for argument in arguments {
            match argument.strip_prefix('/') {
                Some(below) => command.arg(self.0.join(below)),
                None => command.arg(argument),
            };
        }
        Ok(command)
    }
}

#[test]
fn the_unit_s_command_serves_what_install_made_and_the_health_check_sees_it() -> Outcome {
    let world = World::new()?;
    let root = Root::installed(&world)?;
    let start: Vec<&str> = of_unit("ExecStart")?.split(' ').collect();
    let program = start.first().context("a program")?;

    let health = health_check()?;
    assert_eq!(health.first().map(String::as_str), Some("quaymaster"));
    let mut checked = vec![*program];
    checked.extend(health.iter().skip(1).map(String::as_str));
    let check = || -> anyhow::Result<Ran> { run(&mut root.command(&checked)?) };

    check()?.failed()?.says("no node runs")?;
    let mut node = Background::start(&mut root.command(&start)?, &world.path("logs"), "unit")?;
    node.wait_for("it listens", |said| {
        said.contains("listening on ").then_some(())
    })?;
    check()?.ok()?.says("answers")?;
    ensure!(
        root.0.join("var/lib/quaymaster/ledger.sqlite").exists(),
        "its data is elsewhere"
    );
    // What systemd sends unless the unit says otherwise, and what the container's recipe names.
    ensure!(of_unit("KillSignal").is_err(), "another signal");
    assert_eq!(of_container("STOPSIGNAL")?, "SIGTERM");
    node.signal(Signal::TERM)?;
    let status = node.wait_within(Duration::from_mins(1))?;
    ensure!(status.success(), "{status}: {}", node.story());
    check()?.failed()?.says("no node runs")?;
    Ok(())
}

#[test]
fn unit_container_and_sample_name_the_same_places() -> Outcome {
    let data = quoted(SAMPLE, "data")?;
    let bucket = quoted(SAMPLE, "url")?;
    let bucket = bucket.strip_prefix("file://").context("a folder")?;
    let writable: Vec<&str> = of_unit("ReadWritePaths")?.split(' ').collect();
    for folder in [data, bucket] {
        let may = writable
            .iter()
            .any(|place| Path::new(folder).starts_with(place));
        ensure!(may, "{folder} is not in {writable:?}");
    }
    assert_eq!(of_container("VOLUME")?, data);
    // Also what is to be typed for the container, in its recipe and in the guide.
    for text in [CONTAINER, GUIDE] {
        for part in [
            "podman build --format docker ".to_owned(),
            format!(":{data} "),
            format!("-v {bucket}:{bucket} "),
        ] {
            ensure!(text.contains(&part), "`{part}` is not in\n{text}");
        }
    }
    ensure!(
        health_check()?.iter().any(|word| word == data),
        "the health check asks elsewhere"
    );
    let (_, port) = quoted(SAMPLE, "address")?
        .rsplit_once(':')
        .context("a port")?;
    assert_eq!(of_container("EXPOSE")?, port);
    assert_eq!(of_container("USER")?, of_unit("User")?);

    let (program, arguments) = of_unit("ExecStart")?.split_once(' ').context("arguments")?;
    assert_eq!(words(&of_container("ENTRYPOINT")?)?, ["quaymaster"]);
    assert_eq!(words(&of_container("CMD")?)?.join(" "), arguments);
    let copied = of_container("COPY")?;
    ensure!(
        copied.starts_with("--from=build ") && copied.ends_with(&format!(" {program}")),
        "{copied}"
    );
    Ok(())
}

#[test]
fn the_image_is_built_from_what_there_is_by_the_pinned_toolchain() -> Outcome {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut copied = Vec::new();
    for line in all_of_container("COPY") {
        let mut places: Vec<String> = line.split(' ').map(str::to_owned).collect();
        places.pop();
        if !line.starts_with("--from=") {
            copied.append(&mut places);
        }
    }
    for place in &copied {
        ensure!(workspace.join(place).exists(), "there is no {place}");
    }
    // All members, or Cargo refuses the workspace.
    for needed in ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "xtask"] {
        ensure!(copied.iter().any(|c| c == needed), "{needed} is missing");
    }
    let image = format!("rust:{}-", quoted(TOOLCHAIN, "channel")?);
    let stages = all_of_container("FROM");
    ensure!(stages[0].starts_with(&image), "{stages:?}");
    Ok(())
}

#[test]
fn foreign_systemd_takes_the_unit_and_finds_little_exposed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("quaymaster.service");
    let program = binary()?;
    let program = program.to_str().context("our folders are text")?;
    let analyze = |arguments: &[&str]| {
        run(Command::new("systemd-analyze")
            .arg("--no-pager")
            .args(arguments)
            .arg(&unit))
    };
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    let installed = of_unit("ExecStart")?
        .split(' ')
        .next()
        .context("a program")?;
    let right = UNIT.replace(installed, program);
    fs::write(&unit, &right)?;
    let verified = analyze(&verify)?.ok()?;
    ensure!(
        !verified.stderr.contains("quaymaster.service"),
        "{verified}"
    );
    analyze(&["security", "--offline=true", EXPOSURE_MAX])?.ok()?;

    // It would say so.
    fs::write(&unit, right.replace("ProtectHome=", "ProtectHomes="))?;
    analyze(&verify)?.failed()?.says("ProtectHomes")?;
    fs::write(&unit, right.replace("CapabilityBoundingSet=", "# "))?;
    analyze(&["security", "--offline=true", EXPOSURE_MAX])?.failed()?;
    Ok(())
}
