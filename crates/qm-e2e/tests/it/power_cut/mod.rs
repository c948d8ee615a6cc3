//! The power goes at a random moment and everything that was not synced may be lost. After
//! recovery a bucket shows what was answered with `Ok`, or what the one request that was not
//! answered was about to make of it, and nothing else (INV-5). Every second bucket is sealed.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod disk;
mod ledger;
mod random;
mod requests;
mod world;

use ledger::{Cut, CutLedger};
use random::Random;
use tokio::runtime::Builder;
use world::{Form, World};

const SEQUENCES: u64 = 500;
/// Each opens a file twice.
const SEQUENCES_IN_A_FILE: u64 = 100;

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_moment_loses_nothing_that_was_answered() {
    let (mut cut_short, mut restored) = (0, 0);
    for seed in 0..SEQUENCES {
        let mut random = Random::new(seed);
        let cut = Cut::any(&mut random);
        let mut world = World::new(seed, cut, Form::of(seed), CutLedger::in_memory());
        world.live(&mut random).await;
        cut_short += u64::from(world.is_cut());
        restored += world.restored;
        world.restart(&mut random, None).await;
        world.check(seed).await;
    }
    assert!(
        cut_short > SEQUENCES / 2,
        "only {cut_short} sequences met their power cut"
    );
    assert!(
        restored > SEQUENCES / 10,
        "only {restored} versions were brought back"
    );
    qm_testkit::figures::note(&format!(
        "power cuts, folder: {SEQUENCES} sequences, {cut_short} cut short, 0 lost"
    ));
}

#[tokio::test(start_paused = true)]
async fn a_second_power_cut_during_recovery_loses_nothing_either() {
    for seed in 0..SEQUENCES {
        let mut random = Random::new(seed + 1_000_000);
        let cut = Cut::AtDiskOperation(random.below(160));
        let mut world = World::new(seed, cut, Form::of(seed), CutLedger::in_memory());
        world.live(&mut random).await;
        let second = Cut::AtDiskOperation(random.below(12));
        world.restart(&mut random, Some(second)).await;
        world.restart(&mut random, None).await;
        world.check(seed).await;
    }
}

/// Disk and commits go at the same moment.
#[test]
fn a_power_cut_with_the_ledger_in_its_file_loses_nothing_that_was_answered() {
    let mut cut_short = 0;
    for seed in 0..SEQUENCES_IN_A_FILE {
        let mut random = Random::new(seed + 2_000_000);
        let cut = Cut::any(&mut random);
        let mut world = World::new(seed, cut, Form::of(seed), CutLedger::in_file());
        one_start(world.live_until_cut(&mut random));
        cut_short += u64::from(world.is_cut());
        one_start(async {
            world.restart(&mut random, None).await;
            world.check(seed).await;
        });
    }
    assert!(
        cut_short > SEQUENCES_IN_A_FILE / 2,
        "only {cut_short} sequences met their power cut"
    );
    qm_testkit::figures::note(&format!(
        "power cuts, folder, ledger in its file: {SEQUENCES_IN_A_FILE} sequences, {cut_short} cut \
         short, 0 lost"
    ));
}

/// With its runtime everything ends that was begun.
fn one_start<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}
