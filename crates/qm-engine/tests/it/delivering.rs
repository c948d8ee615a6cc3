use qm_core::Kind;
use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_core::ports::ledger::Deliveries as _;
use qm_testkit::outside::Act;

use crate::settings::{add_route, config, limits};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    config
}

#[tokio::test(start_paused = true)]
async fn delivered_once() {
    let world = World::new(copying());
    world
        .arrives_with("landing/north/a.csv", b"ID,name\n")
        .await;
    world.settles().await;
    world.after_minutes(60).await;
    let share = world.destination("share");
    assert_eq!(share.bytes("north/a.csv").unwrap(), "ID,name\n");
    assert_eq!((share.landed().len(), share.attempts()), (1, 1));
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_repeated_on_schedule() {
    let world = World::new(copying());
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Unavailable), Act::Fail(Kind::Timeout)]);
    let version = world.arrives("landing/north/a.csv").await;
    let start = qm_core::ports::clock::Clock::now(&world.clock);
    world.settles().await;
    // `lambda`: now, one minute after the first, two after the second.
    for (second, attempts) in [(0, 1), (59, 1), (60, 2), (179, 2), (180, 3), (3600, 3)] {
        world
            .clock
            .set(start + jiff::SignedDuration::from_secs(second));
        world.settles().await;
        assert_eq!(share.attempts(), attempts, "after {second} s");
    }
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Delivered);
    let attempts = world.ledger.attempts(delivery.id).await.unwrap();
    let notes: Vec<_> = attempts
        .iter()
        .map(|a| a.note.as_deref().unwrap())
        .collect();
    assert_eq!(
        notes,
        [
            "the destination says no",
            "the destination says no",
            "held in memory"
        ]
    );
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_next_pass_is_asked_for_when_the_next_attempt_is_due() {
    let world = World::new(copying());
    world
        .destination("share")
        .acts([Act::Fail(Kind::Unavailable)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.clock.set("2026-11-20T12:00:55Z".parse().unwrap());
    let next = world.pass("deliver").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:01:00Z".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn one_destination_that_is_down_stops_no_other() {
    let mut config = copying();
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    let world = World::new(config);
    world.destination("share").set_down(Some(Kind::Unavailable));
    for number in 0..10 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    assert_eq!(world.destination("archive").landed().len(), 10);
    assert_eq!(world.destination("share").landed().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_destination_that_hangs_stops_no_other_and_gets_no_more_than_its_share() {
    let mut config = copying();
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    limits(&mut config, "share").concurrency = 2;
    let world = World::new(config);
    world.destination("share").hold();
    for number in 0..10 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world
        .runs_until(|world| world.destination("archive").landed().len() == 10)
        .await;
    let share = world.destination("share");
    assert_eq!((share.attempts(), share.landed().len()), (2, 0));
    share.release();
    world.settles().await;
    assert_eq!((share.at_once_max(), share.landed().len()), (2, 10));
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_is_a_failed_attempt() {
    let world = World::new(copying());
    world.destination("share").acts([Act::Panic]);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    assert!(matches!(delivery.state, DeliveryState::Waiting { .. }));
    let error = delivery.last_error.unwrap();
    assert!(
        error.contains("the destination's code has a fault"),
        "{error}"
    );
    world.after_minutes(1).await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_recorded_as_soon_as_the_ledger_works_again() {
    let world = World::new(copying());
    let share = world.destination("share");
    share.hold();
    world.arrives("landing/north/a.csv").await;
    world.runs_until(|_| share.attempts() == 1).await;
    world.ledger.fail_after(Some(0));
    share.release();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(share.landed().len(), 1);
    assert_eq!(world.table().await, ["landing/north/a.csv share running 1"]);
    world.ledger.fail_after(None);
    world.settles().await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
    assert_eq!(share.landed().len(), 1);
}
