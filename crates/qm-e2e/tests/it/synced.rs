//! What an upload and its delivery ask of the kernel, in its order: a power cut at any moment leaves
//! under a final name what was there before or what was sent, whole (INV-5).

use anyhow::{Context as _, ensure};
use qm_e2e::wait::until_true;
use qm_e2e::{Background, Node, World, binary};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Outcome, wait_until_delivered};

/// What makes, names and syncs bytes.
const CALLS: &str = "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2";
/// So much of a string is written down: all of a page of the ledger.
const SHOWN: &str = "4096";

/// One call that succeeded.
struct Call {
    name: String,
    arguments: String,
}

impl Call {
    /// What its first descriptor is of.
    fn path(&self) -> &str {
        path_in(&self.arguments)
    }

    fn syncs(&self, path: &str) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync") && self.path() == path
    }

    fn writes(&self, path: &str) -> bool {
        self.name.contains("write") && self.path() == path
    }

    /// Folder and name of before and after, if it is a rename.
    fn renames(&self) -> Option<[(&str, &str); 2]> {
        if !self.name.starts_with("rename") {
            return None;
        }
        let mut parts = self.arguments.split('"');
        let mut next = || Some((path_in(parts.next()?), parts.next()?));
        Some([next()?, next()?])
    }

    /// Folder, temporary name and final one, if it is a rename of something of ours below a folder.
    fn delivers_below(&self, root: &str) -> Option<(&str, &str, &str)> {
        let [(folder, temp), (_, name)] = self.renames()?;
        let is_ours = temp.starts_with(".qm-") && folder.starts_with(root);
        is_ours.then_some((folder, temp, name))
    }

    /// The version, and the folder and name it gets, if it is a rename of staged bytes.
    fn publishes_from(&self, staging: &str) -> Option<(&str, &str, &str)> {
        let [(from, version), (folder, name)] = self.renames()?;
        (from == staging).then_some((version, folder, name))
    }
}

/// What the first descriptor in a part of a call's arguments is of.
fn path_in(arguments: &str) -> &str {
    let behind = arguments.split_once('<').map(|(_, behind)| behind);
    let path = behind.and_then(|behind| behind.split_once('>'));
    path.map_or("", |(path, _)| path)
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
fn traced(world: &World, trace: &Path) -> anyhow::Result<Node> {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-q", "-y", "-s", SHOWN, "-e", "signal=none"])
        .args(["-e", CALLS, "-o"])
        .arg(trace)
        .arg(binary()?)
        .args(["serve", "-c"])
        .arg(world.configuration_file());
    Node::listening(Background::start(
        &mut command,
        &world.path("logs"),
        "traced",
    )?)
}

/// What was asked behind the first call that is meant.
fn behind<'a>(
    calls: &'a [Call],
    what: &str,
    is_meant: impl Fn(&Call) -> bool,
) -> anyhow::Result<&'a [Call]> {
    let at = calls.iter().position(is_meant);
    let at = at.with_context(|| format!("renamed before {what}"))?;
    Ok(&calls[at + 1..])
}

/// What was asked behind the last sync of a file's bytes, none of which was written later.
fn behind_last_sync<'a>(calls: &'a [Call], file: &str) -> anyhow::Result<&'a [Call]> {
    let synced = calls.iter().rposition(|call| call.syncs(file));
    let synced = synced.with_context(|| format!("{file} was renamed and not synced"))?;
    let rest = &calls[synced + 1..];
    ensure!(
        !rest.iter().any(|call| call.writes(file)),
        "{file} was written to after it was synced"
    );
    Ok(rest)
}

/// The bytes, their name among the staged ones and the rows that tell of them are durable before
/// they get their final name; that name is before the next one. The names that were published.
fn check_uploads<'a>(
    calls: &'a [Call],
    bucket: &str,
    journal: &str,
) -> anyhow::Result<Vec<&'a str>> {
    let staging = format!("{bucket}/.quaymaster/staging");
    let mut published = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let Some((version, folder, name)) = call.publishes_from(&staging) else {
            continue;
        };
        let staged = format!("{staging}/{version}");
        let (before, after) = calls.split_at(at);
        ensure!(
            before.iter().any(|call| call.writes(&staged)),
            "nobody saw how {staged} was written"
        );
        let rest = behind_last_sync(before, &staged)?;
        let rest = behind(rest, "the staging folder was synced", |call| {
            call.syncs(&staging)
        })?;
        let rest = behind(rest, "the ledger was told", |call| {
            call.writes(journal) && call.arguments.contains(version)
        })?;
        behind(rest, "the ledger was synced", |call| call.syncs(journal))?;
        let is_durable = after
            .iter()
            .skip(1)
            .take_while(|call| call.publishes_from(&staging).is_none())
            .any(|call| call.syncs(folder));
        ensure!(
            is_durable,
            "{folder} was not synced after {name} was put into it"
        );
        published.push(name);
    }
    Ok(published)
}

/// The same of deliveries: the bytes before the name, and the name after it.
fn check_deliveries<'a>(calls: &'a [Call], share: &str) -> anyhow::Result<Vec<&'a str>> {
    let mut delivered = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let Some((folder, temp, name)) = call.delivers_below(share) else {
            continue;
        };
        let (before, after) = calls.split_at(at);
        behind_last_sync(before, &format!("{folder}/{temp}"))?;
        ensure!(
            after.iter().any(|call| call.syncs(folder)),
            "{folder} was not synced after {name} was put into it"
        );
        delivered.push(name);
    }
    delivered.sort_unstable();
    Ok(delivered)
}

#[test]
fn foreign_strace_an_upload_and_its_delivery_are_synced_around_their_renames() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    world.write_configuration()?;
    let (file, data) = (world.path("trace"), world.path("data"));
    let node = traced(&world, &file)?;
    world.adopt(node, &data)?;
    for (content, batch) in [
        ("id\n1\n", "mkdir deep\nput a.csv deep/a.csv\n"),
        ("id\n1\n2\n", "put a.csv deep/a.csv\n"),
    ] {
        world.write_local("a.csv", content)?;
        world.sftp("north", batch)?.ok()?;
        wait_until_delivered(&world)?;
    }
    let process = world.node()?.process().id().to_string();
    let real = |folder: &Path| -> anyhow::Result<String> {
        let folder = fs::canonicalize(folder)?;
        Ok(folder.to_str().context("our folders are text")?.to_owned())
    };
    let (bucket, share) = (real(&world.bucket(""))?, real(&world.share(""))?);
    let journal = format!("{}/ledger.sqlite-wal", real(&data)?);
    world.stop()?;
    let ended = " +++ exited with 0 +++";
    until_true("all is written down", || {
        let trace = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
        let mut last = trace.lines().filter(|line| line.ends_with(ended));
        Ok(last.any(|line| line.split(' ').next() == Some(process.as_str())))
    })?;

    let trace = fs::read(&file)?;
    let calls = calls(&String::from_utf8_lossy(&trace));
    let published = check_uploads(&calls, &bucket, &journal)?;
    ensure!(published == ["a.csv", "a.csv"], "{published:?}");
    let delivered = check_deliveries(&calls, &share)?;
    ensure!(
        delivered == ["a.csv", "a.csv", "deep", "north"],
        "{delivered:?}"
    );
    Ok(())
}
