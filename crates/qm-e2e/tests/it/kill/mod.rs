//! kill -9 at random moments while several partners upload, overwrite, rename and remove: what
//! was answered OK is there, whole and newest, in the bucket and at the destination, and nothing
//! else is (INV-5).

mod history;

use anyhow::{Context as _, bail, ensure};
use qm_e2e::clients::python;
use qm_e2e::{Background, Random, World, digest_of, wait};
use std::collections::BTreeMap;
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

#[test]
fn foreign_kill_at_random_moments_loses_nothing_that_was_answered() -> Outcome {
    let mut world = World::new()?;
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
    let mut workers = start_workers(&world, &log)?;

    let mut kills = 0_u32;
    while are_working(&mut workers)? {
        let until = lines(&log)? + random.below(EVENTS_BETWEEN_KILLS);
        wait::until_true("the workers get on", || {
            Ok(lines(&log)? > until || !are_working(&mut workers)?)
        })?;
        // Not a wait for anything: the moment of the kill is the random choice.
        std::thread::sleep(Duration::from_micros(random.below(MOMENT_MICROSECONDS)));
        world.kill()?;
        kills += 1;
        world.start()?;
    }
    let history = History::parse(&fs::read_to_string(&log)?)?;
    check_bucket(&world, &history)?;
    check_arrivals(&world, &history)?;
    check_destination(&world, &history)?;
    println!("kill: seed {SEED}, {kills} kills, {history}");
    ensure!(history.lost.is_empty(), "LOST: {:#?}", history.lost);
    ensure!(kills >= 10, "only {kills} kills: this proved little");
    ensure!(
        history.cut_off >= 5,
        "only {} requests were cut off",
        history.cut_off
    );
    Ok(())
}

/// The tree is what the history says: nothing partial, nothing that was removed, no older version.
fn check_bucket(world: &World, history: &History) -> Outcome {
    let mut found = BTreeMap::new();
    for name in tree(&world.bucket("north"))? {
        let digest = digest_of(&world.bucket("north").join(&name))?;
        found.insert(name, digest);
    }
    ensure!(
        found == history.names,
        "in the bucket: {found:#?}\nby the history: {:#?}",
        history.names
    );
    ensure!(
        staged(world)? == 0,
        "staged bytes of uploads that ended are left"
    );
    Ok(())
}

/// Each upload that happened arrived once, and none that did not.
fn check_arrivals(world: &World, history: &History) -> Outcome {
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for object in world.arrivals()?.column("OBJECT") {
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
    wait::until_true("what was kept aside for deliveries is gone", || {
        Ok(tree(&world.bucket(".quaymaster/kept"))?.is_empty())
    })
}

fn start_workers(world: &World, log: &PathBuf) -> anyhow::Result<Vec<Background>> {
    let key = world.key("north")?;
    let start = |number: u64| {
        let mut command = python()?;
        command
            .args(["-c", WORKER, "north"])
            .arg(&key.private_file)
            .arg(world.path(""));
        command
            .args([number, SEED, OPERATIONS].map(|number| number.to_string()))
            .arg(log);
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
