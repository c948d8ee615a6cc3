//! kill -9 at random moments while several partners upload, overwrite, rename and remove: what
//! was answered OK is there, whole and newest, in the bucket and at the destination, and nothing
//! else is (INV-5). And at each step of an upload to S3, one by one.

mod history;
mod steps;
mod whole;

use anyhow::{Context as _, bail, ensure};
use qm_e2e::clients::python;
use qm_e2e::{Background, Random, S3Server, World, digest_of, wait};
use qm_testkit::figures;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{Outcome, staged, tree, wait_until_delivered};
use history::History;

const WORKER: &str = include_str!("worker.py");
const WORKERS: u64 = 4;
/// Of each worker: 300 together.
const OPERATIONS: u64 = 75;
const SEED: u64 = 20_261_120;
/// Between kills so many lines are logged at most; a request logs two to ten.
const EVENTS_BETWEEN_KILLS: u64 = 40;
/// At most so long after the line: a request takes about as long.
const MOMENT_MICROSECONDS: u64 = 30_000;

/// What differs between kinds of buckets, as the workers are told.
struct Kind {
    largest_bytes: u64,
    /// Whether what is under a temporary name can be read.
    temporary: &'static str,
}

const FOLDER: Kind = Kind {
    largest_bytes: 1_500_000,
    temporary: "read",
};
const S3: Kind = Kind {
    // More than one part.
    largest_bytes: 17_000_000,
    temporary: "seen",
};
/// What the bucket's names end in while they are temporary.
const TEMPORARY: &str = ".filepart";

#[test]
fn foreign_kill_at_random_moments_loses_nothing_that_was_answered() -> Outcome {
    let mut world = World::new()?;
    let history = live(&mut world, &FOLDER)?;
    figures::note(&format!(
        "uploads, renames and removals, folder: {history} (seed {SEED})"
    ));
    ensure!(
        names_in_bucket(&world)? == history.names,
        "in the bucket: {:#?}\nby the history: {:#?}",
        names_in_bucket(&world)?,
        history.names
    );
    ensure!(
        staged(&world)? == 0,
        "staged bytes of uploads that ended are left"
    );
    check(&world, &history, 0)
}

/// The same with the bucket on S3: a name that is temporary is no object but an upload in parts,
/// and no other such upload is left.
#[test]
fn foreign_kill_at_random_moments_loses_nothing_on_s3() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = World::new()?;
    world.move_to_s3(&server)?;
    let history = live(&mut world, &S3)?;
    figures::note(&format!(
        "uploads, renames and removals, S3: {history} (seed {SEED})"
    ));
    let (uploads, objects): (BTreeMap<_, _>, BTreeMap<_, _>) = history
        .names
        .clone()
        .into_iter()
        .partition(|(name, _)| name.ends_with(TEMPORARY));
    ensure!(
        names_in_bucket(&world)? == objects,
        "in the bucket: {:#?}\nby the history: {objects:#?}",
        names_in_bucket(&world)?
    );
    let open = server.open_uploads("landing")?;
    ensure!(
        open == uploads.len(),
        "{open} uploads in parts are open, {} names are temporary",
        uploads.len()
    );
    check(&world, &history, history.cut_off)
}

/// Workers upload, overwrite, rename and remove until they are done; the node is killed and
/// started again all the while.
fn live(world: &mut World, kind: &Kind) -> anyhow::Result<History> {
    world.account("north")?;
    world.configuration.may_everything("north");
    // What deliveries need is kept, and nothing else.
    world
        .configuration
        .set("bucket.landing", "keep_versions = 0");
    // Neither may end a test that is about something else.
    world
        .configuration
        .set("listen.sftp", "connections_per_account_max = 100");
    world.deliver_everything();
    world.start()?;
    let mut random = Random::new(SEED);
    let log = world.path("workers.log");
    fs::write(&log, "")?;
    let mut workers = start_workers(world, &log, kind)?;

    let (mut kills, mut looked_at) = (0_u32, 0_usize);
    while are_working(&mut workers)? {
        let until = lines(&log)? + random.below(EVENTS_BETWEEN_KILLS);
        wait::until_true("the workers get on", || {
            Ok(lines(&log)? > until || !are_working(&mut workers)?)
        })?;
        // Not a wait for anything: the moment of the kill is the random choice.
        std::thread::sleep(Duration::from_micros(random.below(MOMENT_MICROSECONDS)));
        world.kill()?;
        kills += 1;
        // Before a start mends anything.
        for folder in [world.bucket("north"), world.share("north")] {
            looked_at += whole::check(&folder, &log)?;
        }
        world.start()?;
    }
    ensure!(looked_at > 0, "nothing showed at any kill");
    let mut history = History::parse(&fs::read_to_string(&log)?)?;
    history.kills = kills;
    ensure!(kills >= 10, "only {kills} kills: this proved little");
    ensure!(
        history.cut_off >= 5,
        "only {} requests were cut off",
        history.cut_off
    );
    Ok(history)
}

/// Nothing that was answered is lost, in the ledger and at the destination.
fn check(world: &World, history: &History, failed_max: usize) -> Outcome {
    ensure!(history.lost.is_empty(), "LOST: {:#?}", history.lost);
    check_arrivals(world, history, failed_max)?;
    check_destination(world, history)
}

/// With the digests of what is under them.
fn names_in_bucket(world: &World) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for name in tree(&world.bucket("north"))? {
        let digest = digest_of(&world.bucket("north").join(&name))?;
        found.insert(name, digest);
    }
    Ok(found)
}

/// Each upload that happened arrived once, and none that did not. A small file for S3 is recorded
/// before it is sent; what was killed in between was never answered and is recorded as failed.
fn check_arrivals(world: &World, history: &History, failed_max: usize) -> Outcome {
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed = 0;
    for row in world.arrivals()?.0 {
        if row.get("STATE") == "failed" {
            failed += 1;
            continue;
        }
        let object = row.get("OBJECT");
        let name = object
            .strip_prefix("landing/north/")
            .context("all is north's")?;
        *arrived.entry(name.to_owned()).or_default() += 1;
    }
    ensure!(
        arrived == history.arrivals,
        "{arrived:?} arrived, {:?} were uploaded",
        history.arrivals
    );
    ensure!(
        failed <= failed_max,
        "{failed} arrivals failed, at most {failed_max} may have"
    );
    Ok(())
}

/// Everything that arrived is delivered, the newest last, and nothing but whole files is there.
fn check_destination(world: &World, history: &History) -> Outcome {
    wait_until_delivered(world)?;
    let deliveries = world.deliveries()?.0.len();
    let uploads = history.uploads;
    ensure!(
        deliveries == uploads,
        "{deliveries} deliveries of {uploads} uploads"
    );
    let names = tree(&world.share("north"))?;
    for name in &names {
        let found = digest_of(&world.share("north").join(name))?;
        let newest = history
            .newest
            .get(name)
            .with_context(|| format!("{name} was never uploaded"))?;
        ensure!(
            found == *newest,
            "{name} at the destination is not the newest version"
        );
    }
    ensure!(
        names.len() == history.newest.len(),
        "only {names:?} are at the destination"
    );
    let mut left = BTreeSet::new();
    wait::until_true("what was kept aside for deliveries is gone", || {
        left = kept(world)?;
        Ok(left.is_empty())
    })
    .with_context(|| format!("{left:?}"))
}

/// On S3 the folder is there when something is in it.
fn kept(world: &World) -> anyhow::Result<BTreeSet<String>> {
    let folder = world.bucket(".quaymaster/kept");
    if folder.is_dir() {
        tree(&folder)
    } else {
        Ok(BTreeSet::new())
    }
}

fn start_workers(world: &World, log: &PathBuf, kind: &Kind) -> anyhow::Result<Vec<Background>> {
    let key = world.key("north")?;
    let start = |number: u64| {
        let mut command = python()?;
        command
            .args(["-c", WORKER, "north"])
            .arg(&key.private_file)
            .arg(world.path(""));
        command
            .args([number, SEED, OPERATIONS].map(|number| number.to_string()))
            .arg(log)
            .args([&kind.largest_bytes.to_string(), kind.temporary]);
        Background::start(
            &mut command,
            &world.path("logs"),
            &format!("worker-{number}"),
        )
    };
    (0..WORKERS).map(start).collect()
}

fn are_working(workers: &mut [Background]) -> anyhow::Result<bool> {
    let mut any = false;
    for worker in workers {
        match worker.ended()? {
            None => any = true,
            Some(status) if status.success() => {}
            Some(status) => bail!("a worker ended with {status}: {}", worker.story()),
        }
    }
    Ok(any)
}

fn lines(log: &PathBuf) -> anyhow::Result<u64> {
    Ok(fs::read_to_string(log)?.lines().count() as u64)
}
