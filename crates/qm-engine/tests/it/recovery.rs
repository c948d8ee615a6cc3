//! The same scenario with the process ending at every possible place: the same end.

use qm_core::config::{AfterDelivery, Config, OnFailure};
use qm_core::ports::ledger::Names as _;
use qm_core::template::Template;

use crate::settings::{add_account, add_expectation, add_route, config};
use crate::world::{World, parse};

/// More writes than the scenario makes; the last rounds are not interrupted at all.
const WRITES: u64 = 80;

fn scenario() -> Config {
    let mut config = config();
    for partner in ["north", "south"] {
        add_account(&mut config, partner);
        add_expectation(&mut config, partner, "daily");
    }
    add_route(
        &mut config,
        "copy",
        "landing/**/*.csv",
        &["share", "archive"],
    );
    let copy = config.routes.values_mut().next().unwrap();
    copy.on_failure = OnFailure::SkipSuperseded;
    copy.after = AfterDelivery::Move(Template::parse("done/{name}").unwrap());
    config
}

async fn begins() -> World {
    let world = World::new(scenario());
    world.settles().await;
    world.destination("archive").refuse("north/a.csv");
    world.arrives("landing/north/a.csv").await;
    world.arrives("landing/north/b.csv").await;
    world.arrives("landing/north/b.txt").await;
    world.breaks_off("landing/north/c.csv").await;
    world
}

/// What must be the same in the end, however it came about.
async fn end(world: &World) -> (Vec<String>, Vec<String>, Vec<String>, Vec<String>) {
    for (path, is_there) in [
        ("landing/north/a.csv", true),
        ("landing/north/b.csv", false),
        ("landing/done/b.csv", true),
    ] {
        let current = world.ledger.current(&parse(path)).await.unwrap();
        assert_eq!(current.is_some(), is_there, "{path}");
    }
    let mut states: Vec<String> = world
        .deliveries()
        .await
        .iter()
        .map(|d| format!("{} {} {}", d.source, d.destination, d.state.as_str()))
        .collect();
    states.sort();
    let mut firing: Vec<String> = world
        .firing()
        .await
        .into_iter()
        .map(|a| a.text.subject)
        .collect();
    firing.sort();
    let mut mails = world.mails("sre");
    mails.extend(world.mails("ops"));
    mails.sort();
    mails.dedup();
    (states, world.slots().await, firing, mails)
}

async fn finishes(world: &World) {
    world.it_is("2026-11-20T17:00:10Z").await;
    world.after_minutes(30).await;
}

#[tokio::test(start_paused = true)]
async fn stopped_after_every_write_it_ends_the_same() {
    let undisturbed = begins().await;
    undisturbed.settles().await;
    finishes(&undisturbed).await;
    let expect = end(&undisturbed).await;
    assert_eq!(
        expect.0,
        [
            "landing/north/a.csv archive dead",
            "landing/north/a.csv share delivered",
            "landing/north/b.csv archive delivered",
            "landing/north/b.csv share delivered",
        ]
    );
    assert_eq!(
        expect.1,
        ["north 2026-11-20 met", "south 2026-11-20 missed"]
    );
    assert_eq!(expect.2.len(), 3);

    let mut was_interrupted = 0;
    for writes in 0..WRITES {
        let mut world = begins().await;
        world.ledger.fail_after(Some(writes));
        // Attempts that cannot record their outcome are cut off by the drain.
        let mut result = world.try_settle().await;
        if result.is_ok() {
            world.clock.set("2026-11-20T17:00:10Z".parse().unwrap());
            result = world.try_settle().await;
        }
        was_interrupted += u64::from(result.is_err());
        world.ledger.fail_after(None);
        world.restarts();
        world.settles().await;
        finishes(&world).await;
        assert_eq!(end(&world).await, expect, "stopped after {writes} writes");
        let landed = world.destination("share").landed();
        assert_eq!(landed.len(), 2, "{landed:?}");
    }
    assert!((10..WRITES).contains(&was_interrupted), "{was_interrupted}");
}

#[tokio::test(start_paused = true)]
async fn restarted_after_every_pass_it_ends_the_same() {
    let undisturbed = begins().await;
    undisturbed.settles().await;
    finishes(&undisturbed).await;

    let mut world = begins().await;
    for now in [
        "2026-11-20T12:00:00Z",
        "2026-11-20T17:00:10Z",
        "2026-11-20T17:30:10Z",
    ] {
        world.clock.set(now.parse().unwrap());
        for _ in 0..20 {
            for name in ["route", "deliver", "tidy", "expect", "alert", "retain"] {
                world.pass(name).await.unwrap();
                world.reconciler(name).drain().await;
                world.restarts();
            }
        }
    }
    assert_eq!(end(&world).await, end(&undisturbed).await);
    assert_eq!(world.destination("share").landed().len(), 2);
    assert_eq!(world.mails("sre"), undisturbed.mails("sre"));
    assert_eq!(world.mails("ops"), undisturbed.mails("ops"));
}
