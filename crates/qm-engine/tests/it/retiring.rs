//! Expectations that end, and alerts that nobody can end.

use qm_core::config::Config;
use qm_core::expectation::Days;
use qm_core::ports::ledger::Slots as _;

use crate::settings::{add_account, add_expectation, config};
use crate::world::World;

fn expecting(partners: &[&str]) -> Config {
    let mut config = config();
    for partner in partners {
        add_account(&mut config, partner);
        add_expectation(&mut config, partner, "daily");
    }
    config
}

#[tokio::test(start_paused = true)]
async fn an_expectation_that_is_removed_alerts_nobody_any_more() {
    let mut world = World::new(expecting(&["east", "north"]));
    world.settles().await;
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(world.firing().await.len(), 2);
    world.applies(expecting(&["north"]));
    world.settles().await;
    let firing = world.firing().await;
    assert_eq!(firing.len(), 1);
    assert_eq!(firing[0].key, "expectation:north:2026-11-20");
    assert_eq!(world.mails("sre").len(), 2, "nobody is told that it ended");
    // Not one that comes back either, nor a file for it.
    world.applies(expecting(&["east", "north"]));
    world.settles().await;
    world.arrives("landing/east/a.csv").await;
    world.restarts();
    world.settles().await;
    assert_eq!(
        world.slots().await,
        ["east 2026-11-20 missed", "north 2026-11-20 missed"]
    );
    assert_eq!(world.mails("sre").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expectation_that_comes_back_after_months_begins_anew() {
    let mut world = World::new(expecting(&["north"]));
    world.settles().await;
    world.applies(config());
    world.settles().await;
    world.it_is("2027-03-01T12:00:00Z").await;
    world.applies(expecting(&["north"]));
    world.settles().await;
    assert_eq!(world.slots().await, Vec::<String>::new());
    world.it_is("2027-03-01T17:00:10Z").await;
    assert_eq!(world.slots().await, ["north 2027-03-01 missed"]);

    // Removed while the node was down.
    world.clock.set("2027-03-01T18:00:00Z".parse().unwrap());
    world.applies(config());
    world.restarts();
    world.settles().await;
    assert!(world.firing().await.is_empty());
    world.clock.set("2027-06-01T18:00:00Z".parse().unwrap());
    world.applies(expecting(&["north"]));
    world.restarts();
    world.settles().await;
    assert_eq!(world.slots().await, ["north 2027-03-01 missed"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_retires_nothing_that_is_still_expected() {
    let mut world = World::new(expecting(&["north"]));
    world.settles().await;
    world.it_is("2026-11-20T17:00:10Z").await;
    world.clock.set("2026-11-21T18:00:00Z".parse().unwrap());
    world.restarts();
    world.settles().await;
    assert_eq!(
        world.slots().await,
        ["north 2026-11-20 missed", "north 2026-11-21 missed"]
    );
    assert_eq!(world.firing().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_never_comes_is_not_waited_for_for_ever() {
    let mut expecting = expecting(&["north"]);
    add_expectation(&mut expecting, "north", "daily").on = Days::parse("weekly:fri").unwrap();
    let world = World::new(expecting);
    world.settles().await;
    let slots = ["20", "27"].map(|day| format!("north 2026-11-{day} missed"));
    world.it_is("2026-11-20T17:00:10Z").await;
    world.it_is("2026-11-27T17:00:10Z").await;
    world.it_is("2026-12-21T17:00:10Z").await;
    assert_eq!(world.ledger.missed().await.unwrap().len(), 5);
    world.it_is("2026-12-21T17:00:11Z").await;
    let waiting = world.ledger.missed().await.unwrap();
    assert_eq!(waiting.len(), 4);
    assert_eq!(waiting[0].slot.date.to_string(), "2026-11-27");
    assert_eq!(world.firing().await.len(), 4);
    assert_eq!(world.slots().await[..2], slots);
    let told = world.mails("sre").len();
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert!(world.firing().await.is_empty());
    assert_eq!(world.mails("sre").len(), told + 4, "of the four waited for");
    assert_eq!(world.slots().await[0], slots[0]);
    assert_eq!(world.slots().await[1], "north 2026-11-27 late");
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_is_put_right_finds_what_came() {
    let mut wrong = expecting(&["north"]);
    add_expectation(&mut wrong, "north", "daily").min_size_bytes = 1_000;
    let world = World::new(wrong);
    world.settles().await;
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-20T17:00:10Z").await;
    world.it_is("2026-11-20T18:00:00Z").await;
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
    world.applies(expecting(&["north"]));
    world.settles().await;
    assert_eq!(world.slots().await, ["north 2026-11-20 late"]);
}
