//! Commands that do not come to their end, nodes that go away, and users who may not come in.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{Background, Ran, World, binary, run, wait};
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{command, object, piped, text, world};
use crate::support::{Outcome, assert_content, staged, tree};

const END: Duration = Duration::from_mins(1);

/// A command that has sent a part of `landing/a.csv` and gets no more to send.
fn putting(world: &World) -> Result<(Background, std::process::ChildStdin)> {
    let mut put = command(world, &["put", "-", "landing/a.csv"])?;
    put.stdin(Stdio::piped());
    let mut put = Background::start(&mut put, &world.path("logs"), "put")?;
    let mut stdin = put.take_stdin().context("the way in")?;
    stdin.write_all(&vec![b'x'; 5_000_000])?;
    wait::until_true("bytes are staged", || Ok(staged(world)? == 1))?;
    Ok((put, stdin))
}

fn interrupting(is_running: bool) -> Outcome {
    let mut world = world(is_running)?;
    for signal in [Signal::INT, Signal::TERM] {
        let (mut put, stdin) = putting(&world)?;
        put.signal(signal)?;
        let status = put.wait_within(END)?;
        drop(stdin);
        assert_eq!(status.code(), Some(130), "{}", put.story());
        ensure!(put.stderr()?.contains("interrupted"), "{}", put.story());
        if !is_running {
            assert_eq!(
                staged(&world)?,
                0,
                "what a command of its own staged goes with it"
            );
        }
        wait::until_true("nothing is staged", || Ok(staged(&world)? == 0))?;
    }
    ensure!(tree(&world.bucket(""))?.is_empty());
    let arrivals = world.quaymaster(&["arrival", "list"])?.ok()?;
    assert_eq!(
        arrivals.stdout, "none\n",
        "no arrival and nothing broken off"
    );
    if is_running {
        world.stop()?;
    }
    world.start()
}

#[test]
fn an_interrupted_put_leaves_nothing_while_the_node_runs() -> Outcome {
    interrupting(true)
}

#[test]
fn an_interrupted_put_leaves_nothing_while_no_node_runs() -> Outcome {
    interrupting(false)
}

#[test]
fn an_interrupted_get_leaves_nothing() -> Outcome {
    let world = world(true)?;
    // So much takes longer than to be seen.
    fs::File::create(world.bucket("large.bin"))?.set_len(2 << 30)?;
    let to = world.path("to");
    fs::create_dir(&to)?;
    let mut get = command(&world, &["get", "landing/large.bin", text(&to)?])?;
    let mut get = Background::start(&mut get, &world.path("logs"), "get")?;
    wait::until_true("a part is there", || Ok(tree(&to)?.len() == 1))?;
    ensure!(!to.join("large.bin").exists());
    get.signal(Signal::INT)?;
    let status = get.wait_within(END)?;
    assert_eq!(status.code(), Some(130), "{}", get.story());
    ensure!(tree(&to)?.is_empty(), "{:?}", tree(&to)?);
    Ok(())
}

#[test]
fn a_node_that_is_killed_or_stopped_publishes_nothing_of_an_open_put() -> Outcome {
    let mut world = world(true)?;
    for is_killed in [true, false] {
        let (mut put, stdin) = putting(&world)?;
        if is_killed {
            world.kill()?;
        } else {
            world.stop()?;
        }
        drop(stdin);
        let status = put.wait_within(END)?;
        assert_eq!(status.code(), Some(1), "{}", put.story());
        ensure!(put.stderr()?.contains("connection"), "{}", put.story());
        world.start()?;
        ensure!(tree(&world.bucket(""))?.is_empty());
        wait::until_true("nothing is staged", || Ok(staged(&world)? == 0))?;
        assert_eq!(
            world.quaymaster(&["arrival", "list"])?.ok()?.stdout,
            "none\n"
        );
    }
    Ok(())
}

#[test]
fn what_a_killed_command_staged_goes_with_the_next() -> Outcome {
    let world = world(false)?;
    let (mut put, _stdin) = putting(&world)?;
    put.kill()?;
    assert_eq!(staged(&world)?, 1);
    assert_eq!(object(&world, &["ls", "landing"])?.ok()?.stdout, "");
    assert_eq!(staged(&world)?, 0);
    Ok(())
}

#[test]
fn the_door_is_there_while_the_node_is_and_a_stale_one_hinders_nobody() -> Outcome {
    let mut world = world(true)?;
    let socket = world.path("data/operator.sock");
    let metadata = fs::metadata(&socket)?;
    ensure!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    world.stop()?;
    ensure!(!socket.exists());
    world.start()?;
    world.kill()?;
    ensure!(socket.exists());
    piped(&world, &["put", "-", "landing/a.csv"], b"1")?;
    world.start()?;
    piped(&world, &["put", "-", "landing/b.csv"], b"2")?;
    assert_content(&world.bucket("a.csv"), b"1");
    assert_content(&world.bucket("b.csv"), b"2");
    Ok(())
}

#[test]
fn commands_without_a_node_wait_for_each_other() -> Outcome {
    let world = world(false)?;
    let mut commands = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let file = world.write_local(name, name)?;
        let mut put = command(&world, &["put", text(&file)?, "landing/"])?;
        let logs = world.path("logs");
        commands.push(Background::start(&mut put, &logs, &format!("put-{name}"))?);
    }
    for mut put in commands {
        let status = put.wait_within(END)?;
        ensure!(status.success(), "{}", put.story());
    }
    assert_eq!(tree(&world.bucket(""))?.len(), 4);
    Ok(())
}

/// A command of somebody who is neither root nor the node's user; the tests run as root.
fn as_nobody(world: &World, arguments: &[&str]) -> Result<Ran> {
    let program = world.path("quaymaster");
    if !program.exists() {
        fs::copy(binary()?, &program)?;
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .arg("object")
        .args(arguments)
        .env("QUAYMASTER_CONFIG", world.configuration_file());
    run(&mut command)
}

#[test]
fn somebody_else_is_refused_and_recorded() -> Outcome {
    let world = world(true)?;
    piped(&world, &["put", "-", "landing/a.csv"], b"1")?;
    let open_to_all =
        |path: &str, mode: u32| fs::set_permissions(world.path(path), Permissions::from_mode(mode));
    open_to_all("", 0o755)?;
    // The data folder keeps others out.
    as_nobody(&world, &["ls"])?
        .failed()?
        .says("only root and the node's own user")?;
    // So does the socket.
    open_to_all("data", 0o755)?;
    as_nobody(&world, &["ls"])?
        .failed()?
        .says("only root and the node's own user")?;
    let refused = [("ACTIVITY", "auth-failure"), ("ACTOR", "nobody")];
    assert_eq!(world.audit()?.with(&refused).len(), 0);
    // And behind them the node itself.
    open_to_all("data/operator.sock", 0o666)?;
    for arguments in [
        &["ls"][..],
        &["get", "landing/a.csv", "-"],
        &["rm", "landing/a.csv"],
    ] {
        let ran = as_nobody(&world, arguments)?.failed()?;
        ensure!(ran.stdout.is_empty(), "{ran}");
        ran.says("only root and the node's own user are operators")?;
    }
    assert_content(&world.bucket("a.csv"), b"1");
    assert_eq!(world.audit()?.with(&refused).len(), 3);
    object(&world, &["ls"])?.ok()?;
    Ok(())
}

#[test]
fn without_a_node_only_its_own_user_works_on_its_files() -> Outcome {
    let world = world(false)?;
    let data = world.path("data");
    std::os::unix::fs::chown(&data, Some(65534), None)?;
    object(&world, &["ls"])?
        .failed()?
        .says("belong to nobody")?;
    std::os::unix::fs::chown(&data, Some(0), None)?;
    object(&world, &["ls"])?.ok()?;
    Ok(())
}
