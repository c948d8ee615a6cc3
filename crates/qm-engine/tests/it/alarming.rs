//! Alarms on destinations: each metric over its number and under it again.

use qm_core::Kind;
use qm_core::alarm::{Alarm, Metric};
use qm_core::alert::AlertState;
use qm_core::config::Config;
use qm_core::ports::ledger::Alerts as _;
use std::time::Duration;

use crate::loading::{load, loading};
use crate::settings::{add_notifier, add_route, config, limits, notifier, settings};
use crate::world::World;

/// Only the alarm on this metric, with its usual number.
fn only(config: &mut Config, destination: &str, metric: Metric) {
    let mut rules = Alarm::lambda();
    rules.retain(|alarm| alarm.metric == metric);
    assert_eq!(rules.len(), 1);
    add_notifier(config, "watch");
    let alarms = &mut settings(config, destination).alarms;
    alarms.rules = rules;
    alarms.tell = vec![notifier("watch")];
}

fn copying(metric: Metric, at_a_time: u32) -> World {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    limits(&mut config, "share").concurrency = at_a_time;
    only(&mut config, "share", metric);
    World::new(config)
}

async fn arrive(world: &World, numbers: std::ops::Range<u32>) {
    for number in numbers {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
}

/// It fires once and is over once, whatever happens in between.
async fn fired(world: &World, metric: &str, at: &str) {
    assert_eq!(
        world.mails("watch"),
        [format!("ALARM: {metric} at {at}")],
        "{metric}"
    );
    let firing = world.ledger.firing("alarm:").await.unwrap();
    assert_eq!(firing.len(), 1);
}

async fn is_over(world: &World, metric: &str, at: &str) {
    assert_eq!(
        world.mails("watch"),
        [
            format!("ALARM: {metric} at {at}"),
            format!("OK: {metric} at {at}")
        ]
    );
    let alerts = world.ledger.alerts(99).await.unwrap();
    let alarms = alerts
        .iter()
        .filter(|alert| alert.key.starts_with("alarm:"));
    let states: Vec<AlertState> = alarms.map(|alert| alert.state).collect();
    assert_eq!(states, [AlertState::Resolved]);
}

#[tokio::test(start_paused = true)]
async fn many_attempts_are_an_alarm() {
    let world = copying(Metric::Attempts, 4);
    arrive(&world, 0..4).await;
    world.settles().await;
    world.after_minutes(1).await;
    assert!(world.mails("watch").is_empty());
    arrive(&world, 4..5).await;
    world.settles().await;
    world.after_minutes(1).await;
    fired(&world, "attempts", "share").await;
    arrive(&world, 5..9).await;
    world.after_minutes(1).await;
    fired(&world, "attempts", "share").await;
    world.after_minutes(15).await;
    is_over(&world, "attempts", "share").await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_an_alarm() {
    let world = copying(Metric::Failures, 4);
    let share = world.destination("share");
    arrive(&world, 0..9).await;
    world.settles().await;
    world.after_minutes(1).await;
    assert!(world.mails("watch").is_empty(), "successes are none");
    share.set_down(Some(Kind::Unavailable));
    arrive(&world, 9..10).await;
    world.settles().await;
    share.set_down(None);
    world.after_minutes(1).await;
    assert!(world.mails("watch").is_empty());
    share.set_down(Some(Kind::Unavailable));
    arrive(&world, 10..11).await;
    world.settles().await;
    share.set_down(None);
    world.after_minutes(1).await;
    fired(&world, "failures", "share").await;
    world.after_minutes(15).await;
    is_over(&world, "failures", "share").await;
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_are_held_back_are_an_alarm() {
    for (waiting, fires) in [(2, false), (3, true)] {
        let world = copying(Metric::HeldBack, 1);
        let share = world.destination("share");
        share.hold();
        arrive(&world, 0..1 + waiting).await;
        world.runs_until(|_| share.attempts() == 1).await;
        world.clock.advance(jiff::SignedDuration::from_secs(30));
        share.release();
        world.settles().await;
        world.after_minutes(1).await;
        if !fires {
            assert!(world.mails("watch").is_empty());
            continue;
        }
        fired(&world, "held_back", "share").await;
        world.after_minutes(10).await;
        is_over(&world, "held_back", "share").await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_that_run_at_a_time_are_an_alarm() {
    let world = copying(Metric::Running, 4);
    let share = world.destination("share");
    share.hold();
    arrive(&world, 0..2).await;
    world.runs_until(|_| share.attempts() == 2).await;
    share.release();
    world.after_minutes(5).await;
    assert!(world.mails("watch").is_empty());
    share.hold();
    arrive(&world, 2..5).await;
    world.runs_until(|_| share.attempts() == 5).await;
    world.clock.advance(jiff::SignedDuration::from_mins(5));
    world
        .runs_until(|world| !world.mails("watch").is_empty())
        .await;
    fired(&world, "running", "share").await;
    share.release();
    world.settles().await;
    world.after_minutes(2).await;
    is_over(&world, "running", "share").await;
}

/// Loads of one table never run at a time: the original's sum counts those that ran one after another.
#[tokio::test(start_paused = true)]
async fn many_loads_into_a_table_are_as_many_that_run() {
    for (loads, fires) in [(2, false), (3, true)] {
        let mut config = loading();
        only(&mut config, "products", Metric::Running);
        let world = World::new(config);
        world.destination("products").loads(load(10, 0));
        for number in 0..loads {
            let path = format!("landing/raw-data/{number}.csv");
            world.arrives(&path).await;
        }
        world.settles().await;
        world.after_minutes(0).await;
        world.clock.advance(jiff::SignedDuration::from_secs(10));
        world.settles().await;
        if !fires {
            assert!(world.mails("watch").is_empty());
            continue;
        }
        fired(&world, "running", "products").await;
        world.after_minutes(2).await;
        is_over(&world, "running", "products").await;
    }
}

/// The sample of a thousand rows that loads in three tenths of a second is no alarm; the same with
/// half a second is one, unless another load had the table for that long.
#[tokio::test(start_paused = true)]
async fn slow_loads_are_an_alarm_and_the_sample_is_none() {
    for (took_ms, is_taken, fires) in [
        (300, false, false),
        (500, false, true),
        (600_000, true, false),
    ] {
        let mut config = loading();
        only(&mut config, "products", Metric::Duration);
        let world = World::new(config);
        let products = world.destination("products");
        products.loads(load(1_000, 0));
        if is_taken {
            products.takes_turns();
        }
        products.hold();
        world.arrives("landing/raw-data/products.csv").await;
        world.runs_until(|_| products.attempts() == 1).await;
        world
            .clock
            .advance(jiff::SignedDuration::from_millis(took_ms));
        products.release();
        world.settles().await;
        world.after_minutes(1).await;
        if !fires {
            assert!(world.mails("watch").is_empty(), "a healthy load");
            continue;
        }
        fired(&world, "duration", "products").await;
        world.after_minutes(15).await;
        is_over(&world, "duration", "products").await;
    }
}

/// Of another destination, or of one whose alarms were taken away, nobody is told.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_taken_away_is_over_without_a_message() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share", "archive"]);
    only(&mut config, "archive", Metric::Failures);
    let world = World::new(config.clone());
    for name in ["share", "archive"] {
        let destination = world.destination(name);
        destination.set_down(Some(Kind::Refused));
        world.arrives(&format!("landing/{name}.csv")).await;
    }
    world.settles().await;
    world.after_minutes(1).await;
    fired(&world, "failures", "archive").await;
    settings(&mut config, "archive").alarms.rules.clear();
    world.applies(config);
    world.after_minutes(1).await;
    assert_eq!(world.mails("watch").len(), 1);
    assert!(world.ledger.firing("alarm:").await.unwrap().is_empty());
}

/// Without names those of the node are told.
#[tokio::test(start_paused = true)]
async fn alarms_without_a_name_are_the_nodes() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    settings(&mut config, "share").alarms.rules = vec![Alarm {
        metric: Metric::Attempts,
        at_least: 1,
        window: Duration::from_mins(1),
    }];
    let world = World::new(config);
    arrive(&world, 0..1).await;
    world.settles().await;
    world.after_minutes(0).await;
    world.clock.advance(jiff::SignedDuration::from_secs(10));
    world.settles().await;
    assert_eq!(world.mails("ops"), ["ALARM: attempts at share"]);
}
