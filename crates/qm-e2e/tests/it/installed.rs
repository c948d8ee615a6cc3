//! What `install` makes of a machine, and the sandbox of its unit. The machine is this one with
//! system folders of its own: what is changed there, such as the list of users, ends with the test.
//! The sandbox is rebuilt from what the kernel offers anybody: a user without capabilities, mounts,
//! and system calls that are refused.

use anyhow::{Context as _, ensure};
use qm_e2e::wait::until_true;
use qm_e2e::{Background, Node, Ran, World, binary, csv, run};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::packaging::{UNIT, of_unit};
use crate::support::{Outcome, assert_content};

const PROGRAM: &str = "/usr/local/bin/quaymaster";
const DATA: &str = "var/lib/quaymaster";
const BUCKET: &str = "srv/quaymaster/landing";

/// `/run` is empty, so that a systemd of the real machine is neither found nor told of our unit. No
/// user has a group of its own unless somebody makes it, nor does it go with the user.
const MACHINE: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /run
for place in etc srv usr/local/bin var/lib; do
    own="/run/own/$place"
    mkdir -p "$own/upper" "$own/work"
    mount -t overlay -o "lowerdir=/$place,upperdir=$own/upper,workdir=$own/work" overlay "/$place"
done
echo 'USERGROUPS_ENAB no' >> /etc/login.defs
echo ready
exec sleep infinity
"#;

/// What systemd does for `ReadWritePaths`, `ProtectSystem=strict`, `PrivateTmp`, `ProtectHome`,
/// `ProtectProc` and `ProcSubset`, as far as a command line can.
const SANDBOX: &str = r#"
umask "$1"
for place in $2; do mount --bind "$place" "$place"; done
for place in / /etc /run /srv /usr/local/bin /var/lib; do mount -o remount,bind,ro "$place"; done
for place in /tmp /var/tmp; do mount -t tmpfs tmpfs "$place"; done
for place in /home /root; do mount -t tmpfs -o ro,mode=000 tmpfs "$place"; done
mount -t proc -o hidepid=invisible,subset=pid proc /proc
shift 2
exec "$@"
"#;

/// A machine to install on, until dropped.
struct Machine {
    keeper: Background,
}

impl Machine {
    fn new(world: &World) -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "this test mounts and makes a user, which needs root: run `cargo xtask test` as root"
        );
        let user = of_unit("User")?;
        ensure!(
            run(Command::new("id").arg(user))?.code != Some(0),
            "this machine has a user {user} already, which this test makes: run it on one without"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", MACHINE]);
        let mut keeper = Background::start(&mut command, &world.path("logs"), "machine")?;
        keeper.wait_for("the machine is there", |said| {
            said.contains("ready").then_some(())
        })?;
        Ok(Self { keeper })
    }

    /// A file of the machine, seen from outside.
    fn path(&self, below: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{below}", self.keeper.id()))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id()))
            .args(words);
        command
    }

    /// Runs as root.
    fn run(&self, words: &[&str]) -> anyhow::Result<Ran> {
        run(&mut self.command(words))
    }

    fn run_as_user(&self, words: &[&str]) -> anyhow::Result<Ran> {
        run(self.command(&[]).args(as_user()?).args(words))
    }

    /// As the unit's service: its user, nothing writable but what it names, and no system call
    /// that it refuses.
    fn sandboxed(&self, words: &[&str]) -> anyhow::Result<Command> {
        let calls = refused_calls()?;
        let error = of_unit("SystemCallErrorNumber")?;
        let mut command = self.command(&["unshare", "--mount", "sh", "-euc", SANDBOX, "sh"]);
        command
            .args([of_unit("UMask")?, of_unit("ReadWritePaths")?])
            .args(as_user()?)
            // `-D`: what it watches stays the process that we started.
            .args(["strace", "-D", "-f", "-qq", "-e", "signal=none"])
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error={error}")])
            .args(words);
        Ok(command)
    }
}

/// What makes a command one of the unit's user.
fn as_user() -> anyhow::Result<Vec<String>> {
    ensure!(
        of_unit("CapabilityBoundingSet")?.is_empty() && of_unit("NoNewPrivileges")? == "yes",
        "the unit gives privileges that the words below take away"
    );
    let user = format!("--reuid={}", of_unit("User")?);
    let group = format!("--regid={}", of_unit("Group")?);
    let words = [
        "setpriv",
        &user,
        &group,
        "--init-groups",
        "--no-new-privs",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--reset-env",
    ];
    Ok(words.map(str::to_owned).to_vec())
}

/// All but those that the unit's filter leaves, in strace's words.
fn refused_calls() -> anyhow::Result<String> {
    let mut allowed = BTreeSet::new();
    for line in UNIT.lines() {
        let Some(filter) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        for set in filter.trim_start_matches('~').split(' ') {
            let calls = calls_of(set)?;
            if filter.starts_with('~') {
                allowed.retain(|call| !calls.contains(call));
            } else {
                allowed.extend(calls);
            }
        }
    }
    ensure!(
        allowed.contains("read"),
        "the unit has no list: {allowed:?}"
    );
    // Those of other machines are unknown to strace, which `?` lets pass.
    let allowed: Vec<String> = allowed.iter().map(|call| format!("?{call}")).collect();
    Ok(format!("!{}", allowed.join(",")))
}

/// The system calls of a set as systemd has it.
fn calls_of(set: &str) -> anyhow::Result<BTreeSet<String>> {
    if !set.starts_with('@') {
        return Ok([set.to_owned()].into());
    }
    let mut list = Command::new("systemd-analyze");
    list.args(["--no-pager", "syscall-filter", set]);
    let listed = run(&mut list)?.ok()?.stdout;
    // Its own name comes first, then a comment.
    let members = listed.lines().skip(1).map(str::trim);
    let mut calls = BTreeSet::new();
    for member in members.filter(|member| !member.is_empty() && !member.starts_with('#')) {
        calls.append(&mut calls_of(member)?);
    }
    Ok(calls)
}

/// Installs, twice, and looks at what is there.
fn install(machine: &Machine) -> Outcome {
    let program = binary()?;
    let program = program.to_str().context("our folders are text")?;
    let user = of_unit("User")?;
    let made = format!("made      user {user}\n");
    machine.run(&[program, "install"])?.ok()?.says(&made)?;
    let again = machine.run(&[PROGRAM, "install"])?.ok()?;
    ensure!(
        !again.stdout.contains("made") && !again.stdout.contains("wrote"),
        "{again}"
    );
    machine
        .run(&["getent", "passwd", user])?
        .ok()?
        .says(":/var/lib/quaymaster:/usr/sbin/nologin\n")?;
    let places = format!("{DATA} {BUCKET} etc/quaymaster/secrets usr/local/bin/quaymaster");
    let look = format!("cd / && stat --format='%U:%G %a' {places}");
    let owned = machine.run(&["sh", "-c", &look])?.ok()?.stdout;
    let own = format!("{user}:{}", of_unit("Group")?);
    assert_eq!(
        owned,
        format!("{own} 700\n{own} 750\n{own} 700\nroot:root 755\n")
    );
    machine
        .run_as_user(&[PROGRAM, "check"])?
        .ok()?
        .says("is right")?;
    Ok(())
}

/// The installed configuration with an account, and a folder to deliver into, which the operator
/// makes where the unit lets the node write.
fn configure(machine: &Machine, world: &World) -> Outcome {
    let user = of_unit("User")?;
    let share = "/srv/quaymaster/share";
    machine
        .run(&["install", "--directory", "--owner", user, share])?
        .ok()?;
    let key = world.key("north")?.public_line;
    let file = machine.path("etc/quaymaster/quaymaster.toml");
    let sample = fs::read_to_string(&file)?.replace("0.0.0.0:2022", "127.0.0.1:0");
    let more = format!(
        "[partner.north.account.north]\nssh_keys = [{key:?}]\nmailbox = \"landing/north\"\n\
         may = [\"list\", \"read\", \"write\"]\n\
         [route.all]\nwhen = {{ arrives = \"landing/**\" }}\ndeliver = [\"share\"]\n\
         [destination.share]\nkind = \"directory\"\npath = {share:?}\n"
    );
    fs::write(&file, format!("{sample}\n{more}"))?;
    Ok(())
}

/// The sandbox is one: what the user may write by its rights alone, it may not.
fn probe(machine: &Machine) -> Outcome {
    let attempt = |words: &[&str]| run(&mut machine.sandboxed(words)?);
    attempt(&["touch", &format!("/{DATA}/probe")])?.ok()?;
    attempt(&["touch", "/etc/quaymaster/secrets/probe"])?
        .failed()?
        .says("Read-only file system")?;
    // Anybody may be nicer, but for the filter.
    attempt(&["nice", "true"])?.says("cannot set niceness")?;
    Ok(())
}

fn teardown(machine: &Machine, world: &mut World) -> Outcome {
    let uid = machine.path(DATA).metadata()?.uid();
    world.stop()?;
    // It ends a moment after what it watched, and a user with a process stays.
    until_true("strace is gone", || Ok(!is_traced_by(uid)?))?;
    let teardown = || machine.run(&[PROGRAM, "teardown"]);
    teardown()?.failed()?.says("is not empty")?;
    fs::remove_file(machine.path(&format!("{BUCKET}/north/report.csv")))?;
    let user = of_unit("User")?;
    teardown()?
        .ok()?
        .says(&format!("removed   user {user}\n"))?;
    for names in ["passwd", "group"] {
        machine.run(&["getent", names, user])?.failed()?;
    }
    for place in [DATA, BUCKET, "etc/systemd/system/quaymaster.service"] {
        ensure!(!machine.path(place).exists(), "{place} is left");
    }

    // A user that is there before may be in another group.
    machine
        .run(&["useradd", "--system", "--no-user-group", user])?
        .ok()?;
    let program = binary()?;
    let program = program.to_str().context("our folders are text")?;
    machine.run(&[program, "install"])?.ok()?;
    machine.run(&["getent", "group", user])?.ok()?;
    Ok(())
}

fn is_traced_by(uid: u32) -> anyhow::Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        // It may have ended meanwhile.
        let is_strace = fs::read_to_string(process.join("comm")).is_ok_and(|it| it == "strace\n");
        if is_strace && process.metadata().is_ok_and(|found| found.uid() == uid) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[test]
fn foreign_an_installed_node_takes_and_delivers_a_file_in_its_units_sandbox() -> Outcome {
    let mut world = World::new()?;
    let machine = Machine::new(&world)?;
    install(&machine)?;
    configure(&machine, &world)?;
    probe(&machine)?;

    let start: Vec<&str> = of_unit("ExecStart")?.split(' ').collect();
    let mut start = machine.sandboxed(&start)?;
    let node = Background::start(&mut start, &world.path("logs"), "unit")?;
    world.adopt(Node::listening(node)?, &machine.path(DATA))?;
    let report = csv(1, 200_000);
    world.write_local("report.csv", &report)?;
    world
        .sftp("north", "put report.csv\nget report.csv back.csv\n")?
        .ok()?;
    assert_content(&world.local("back.csv"), &report);
    assert_content(
        &machine.path(&format!("{BUCKET}/north/report.csv")),
        &report,
    );
    let delivered = machine.path("srv/quaymaster/share/north/report.csv");
    until_true("it is delivered", || Ok(delivered.exists()))?;
    assert_content(&delivered, &report);
    machine
        .run_as_user(&[PROGRAM, "status"])?
        .ok()?
        .says("running as process")?
        .says("journalctl -u quaymaster")?;

    teardown(&machine, &mut world)
}
