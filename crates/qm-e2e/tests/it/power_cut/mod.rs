//! The power goes at a random moment and everything that was not synced may be lost. After
//! recovery a bucket shows what was answered with `Ok`, or what the one request that was not
//! answered was about to make of it, and nothing else (INV-5). Every second bucket is sealed.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod disk;
mod random;
mod requests;
mod world;

use random::Random;
use world::{Cut, Form, World};

const SEQUENCES: u64 = 500;

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_moment_loses_nothing_that_was_answered() {
    let (mut cut_short, mut restored) = (0, 0);
    for seed in 0..SEQUENCES {
        let mut random = Random::new(seed);
        let cut = if random.one_in(2) {
            Cut::AtDiskOperation(random.below(160))
        } else {
            Cut::AtLedgerWrite(random.below(40))
        };
        let mut world = World::new(seed, cut, Form::of(seed));
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
        let mut world = World::new(seed, cut, Form::of(seed));
        world.live(&mut random).await;
        let second = Cut::AtDiskOperation(random.below(12));
        world.restart(&mut random, Some(second)).await;
        world.restart(&mut random, None).await;
        world.check(seed).await;
    }
}
