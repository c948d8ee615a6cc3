//! A wall clock that jumps by a day, forth and back: nothing is lost, and nothing is done twice.

use jiff::SignedDuration;
use qm_core::Kind;
use qm_core::delivery::DeliveryState;
use qm_testkit::outside::Act;

use crate::settings::{add_account, add_expectation, add_route, config};
use crate::world::World;

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_loses_and_repeats_nothing() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let world = World::new(config);
    let share = world.destination("share");
    let mut number = 0;
    for jump in [DAY, -DAY, DAY, DAY, -DAY * 2, -DAY, DAY] {
        // One that waits for its next attempt, one that is new, one that runs across the jump.
        share.acts([Act::FailForNow(Kind::Unavailable)]);
        for _ in 0..3 {
            world.arrives(&format!("landing/north/{number}.csv")).await;
            number += 1;
        }
        share.hold();
        world
            .runs_until(|world| world.destination("share").attempts() > 0)
            .await;
        world.clock.advance(jump);
        share.release();
        world.settles().await;
        world.after_minutes(3).await;
    }
    assert_eq!(share.landed().len(), number);
    let deliveries = world.deliveries().await;
    assert_eq!(deliveries.len(), number);
    assert!(
        deliveries
            .iter()
            .all(|d| d.state == DeliveryState::Delivered)
    );
    assert!(deliveries.iter().all(|d| !d.possible_duplicate));
    assert!(world.firing().await.is_empty());
}

/// A node that restarts behind a clock that was set back.
#[tokio::test(start_paused = true)]
async fn a_clock_set_back_before_a_start_makes_nobody_wait() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let mut world = World::new(config);
    let share = world.destination("share");
    share.acts([Act::FailForNow(Kind::Unavailable)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.clock.advance(-DAY);
    world.restarts();
    world.settles().await;
    assert_eq!(share.landed().len(), 1);
}

/// A due date that passes twice by the clock is checked once, and told of once.
#[tokio::test(start_paused = true)]
async fn a_due_date_that_comes_again_is_checked_once() {
    let mut config = config();
    add_account(&mut config, "north");
    add_expectation(&mut config, "north", "daily");
    let world = World::new(config);
    world.settles().await;
    for now in [
        "2026-11-20T17:00:10Z",
        "2026-11-20T12:00:00Z",
        "2026-11-19T12:00:00Z",
        "2026-11-20T17:00:10Z",
        "2026-11-20T18:00:00Z",
    ] {
        world.it_is(now).await;
    }
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
    assert_eq!(world.mails("sre").len(), 1);
}
