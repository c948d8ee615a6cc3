//! What a delivery into a directory asks of the kernel, in its order: a power cut at any moment
//! leaves under a final name what was there before or what was delivered, whole (INV-5).

use anyhow::{Context as _, ensure};
use qm_e2e::wait::until_true;
use qm_e2e::{Background, World, binary};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Outcome, wait_until_delivered};

/// What makes, names and syncs bytes.
const CALLS: &str = "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2";

/// One call that succeeded.
struct Call {
    name: String,
    arguments: String,
}

impl Call {
    /// What its first descriptor is of.
    fn path(&self) -> &str {
        let behind = self.arguments.split_once('<').map(|(_, behind)| behind);
        let path = behind.and_then(|behind| behind.split_once('>'));
        path.map_or("", |(path, _)| path)
    }

    fn syncs(&self, path: &str) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync") && self.path() == path
    }

    fn writes(&self, path: &str) -> bool {
        self.name.contains("write") && self.path() == path
    }

    /// The temporary name and the final one, if it is a rename of something of ours below a folder.
    fn publishes_below(&self, root: &str) -> Option<(&str, &str)> {
        let mut names = self.arguments.split('"').skip(1).step_by(2);
        let (temp, name) = (names.next()?, names.next()?);
        let is_ours = self.name.starts_with("rename") && temp.starts_with(".qm-");
        (is_ours && self.path().starts_with(root)).then_some((temp, name))
    }
}

/// The calls in the order in which they were over.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, said)) = line.split_once(' ') else {
            continue;
        };
        let said = said.trim_start();
        if let Some(begin) = said.strip_suffix("<unfinished ...>") {
            begun.insert(thread, begin);
            continue;
        }
        let resumed = said
            .strip_prefix("<... ")
            .and_then(|said| said.split_once(" resumed>"));
        let whole = match resumed {
            Some((_, end)) => format!("{}{end}", begun.remove(thread).unwrap_or_default()),
            None => said.to_owned(),
        };
        let has_failed = whole
            .rsplit_once(" = ")
            .is_none_or(|(_, result)| result.starts_with('-'));
        if let Some((name, arguments)) = whole.split_once('(').filter(|_| !has_failed) {
            calls.push(Call {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            });
        }
    }
    calls
}

/// A node that is watched by strace, and where it is written down. The node itself is our child.
fn traced(world: &World, trace: &Path) -> anyhow::Result<Background> {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-q", "-y", "-s", "200", "-e", "signal=none"])
        .args(["-e", CALLS, "-o"])
        .arg(trace)
        .arg(binary()?)
        .args(["serve", "-c"])
        .arg(world.configuration_file());
    let mut node = Background::start(&mut command, &world.path("logs"), "traced")?;
    node.wait_for("it listens", |said| {
        said.contains("listening on ").then_some(())
    })?;
    Ok(node)
}

#[test]
fn foreign_strace_a_delivery_into_a_directory_is_synced_before_and_after_its_rename() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world.write_configuration()?;
    let file = world.path("trace");
    let mut node = traced(&world, &file)?;
    for (content, overwrite) in [("id\n1\n", None), ("id\n1\n2\n", Some("--overwrite"))] {
        let local = world.write_local("a.csv", content)?;
        let local = local.to_str().context("our folders are text")?;
        let put = ["object", "put", local, "landing/north/deep/a.csv"];
        let put: Vec<&str> = put.into_iter().chain(overwrite).collect();
        world.quaymaster(&put)?.ok()?;
        wait_until_delivered(&world)?;
    }
    node.signal(Signal::TERM)?;
    let status = node.wait_within(Duration::from_mins(1))?;
    ensure!(status.success(), "{status}: {}", node.story());
    let (ended, process) = (" +++ exited with 0 +++", node.id().to_string());
    until_true("all is written down", || {
        let trace = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
        let mut last = trace.lines().filter(|line| line.ends_with(ended));
        Ok(last.any(|line| line.split(' ').next() == Some(process.as_str())))
    })?;

    let trace = fs::read(&file)?;
    let calls = calls(&String::from_utf8_lossy(&trace));
    let share = fs::canonicalize(world.share(""))?;
    let share = share.to_str().context("our folders are text")?;
    let mut published = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let Some((temp, name)) = call.publishes_below(share) else {
            continue;
        };
        let folder = call.path();
        let temp = format!("{folder}/{temp}");
        let (before, after) = calls.split_at(at);
        let synced = before.iter().rposition(|call| call.syncs(&temp));
        let synced = synced.with_context(|| format!("{temp} was renamed and not synced"))?;
        ensure!(
            !before.iter().skip(synced).any(|call| call.writes(&temp)),
            "{temp} was written to after it was synced"
        );
        ensure!(
            after.iter().any(|call| call.syncs(folder)),
            "{folder} was not synced after {name} was put into it"
        );
        published.push(name);
    }
    published.sort_unstable();
    ensure!(
        published == ["a.csv", "a.csv", "deep", "north"],
        "{published:?}"
    );
    Ok(())
}
