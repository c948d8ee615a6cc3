//! When, how fast and how many at a time: windows, bandwidth, fairness.

use qm_core::Kind;
use qm_core::config::Config;
use qm_core::window::{Window, Windows};
use qm_testkit::outside::Act;
use std::time::Duration;
use tokio::time::Instant;

use crate::settings::{add_lookup, add_route, config, destination, limits};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    config
}

fn closed(config: &mut Config, name: &str, times: &str) {
    let times = vec![Window::parse(times).unwrap()];
    limits(config, name).closed = Some(Windows::new("Europe/Dublin", times).unwrap());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_while_a_destination_is_closed() {
    let mut config = copying();
    closed(&mut config, "share", "daily 11:30-12:30");
    let world = World::new(config);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let share = world.destination("share");
    assert_eq!(share.attempts(), 0);
    assert_eq!(world.destination("archive").landed().len(), 1);
    world.it_is("2026-11-20T12:29:59.5Z").await;
    assert_eq!(share.attempts(), 0);
    let next = world.pass("deliver").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:30:00Z".parse().unwrap()));
    world.it_is("2026-11-20T12:30:00Z").await;
    assert_eq!(share.landed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_destination_hides_no_attempt_elsewhere() {
    let mut config = copying();
    closed(&mut config, "share", "daily 11:30-18:30");
    let world = World::new(config);
    let archive = world.destination("archive");
    archive.acts([Act::Fail(Kind::Unavailable)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    // Woken by nothing but what each pass asks for, as the driver does.
    for _ in 0..100 {
        let next = world.pass("deliver").await.unwrap().next.unwrap();
        world.clock.set(next);
        world.reconciler("deliver").drain().await;
    }
    assert_eq!(archive.landed().len(), 1);
    assert_eq!(world.destination("share").attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_destination_is_not_asked_either() {
    let mut config = copying();
    let mut world = World::new(config.clone());
    let share = world.destination("share");
    share.hold();
    world.arrives("landing/north/a.csv").await;
    world.runs_until(|_| share.attempts() == 1).await;
    closed(&mut config, "share", "daily 11:30-12:30");
    world.applies(config);
    world.restarts();
    share.release();
    world.settles().await;
    assert_eq!(share.questions(), 0);
    world.it_is("2026-11-20T12:30:00Z").await;
    assert_eq!((share.questions(), share.landed().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn bandwidth_is_shared_by_all_that_go_to_the_destination() {
    let mut config = copying();
    limits(&mut config, "share").bytes_per_second = Some(64 * 1024);
    let world = World::new(config);
    let began = Instant::now();
    for number in 0..2 {
        let path = format!("landing/north/{number}.csv");
        world.arrives_with(&path, &vec![b'x'; 128 * 1024]).await;
    }
    world
        .runs_until(|world| world.destination("archive").landed().len() == 2)
        .await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    world.settles().await;
    assert_eq!(world.destination("share").landed().len(), 2);
    // Four chunks of a second each, the first of them at once; timers count in milliseconds.
    let took = began.elapsed().as_millis();
    assert!((3_000..3_100).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn however_many_hang_one_that_does_not_gets_its_turn() {
    let mut config = config();
    let names: Vec<String> = (0..80).map(|number| format!("hangs{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add_route(&mut config, "copy", "landing/**", &names);
    let world = World::new(config.clone());
    for name in &names {
        world.destination(name).hold();
    }
    for number in 0..4 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    let running = |world: &World| -> u32 {
        let attempts = names.iter().map(|name| world.destination(name).attempts());
        attempts.sum()
    };
    world.runs_until(|world| running(world) >= 256).await;
    for _ in 0..10 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    // 320 wait; nobody has fewer than its share.
    assert_eq!(running(&world), 256);
    for name in &names {
        assert!(world.destination(name).attempts() >= 3, "{name}");
    }

    add_route(&mut config, "keep", "landing/**", &["archive"]);
    world.applies(config);
    for number in 4..10 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    let archive = world.destination("archive");
    world.runs_until(|_| archive.landed().len() == 6).await;
    assert_eq!(archive.at_once_max(), 1);
    for name in &names {
        world.destination(name).release();
    }
    world.settles().await;
    for name in &names {
        assert_eq!(world.destination(name).landed().len(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_destinations_a_route_looks_up_they_are_bounded_together() {
    let mut config = config();
    add_lookup(&mut config, "push", "landing/*/**");
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    let world = World::new(config);
    let pin = format!("SHA256:{}", "A".repeat(43));
    let secret = format!(
        r#"{{"host": "one.test", "username": "x", "password": "x", "known_hosts": "{pin}"}}"#
    );
    let server = world.destination("one.test");
    server.hold();
    for number in 0..150 {
        world.doors.keeps(&format!("push/{number:03}"), &secret);
        let path = format!("landing/{number:03}/a.csv");
        world.arrives(&path).await;
    }
    world
        .runs_until(|world| world.destination("archive").landed().len() == 150)
        .await;
    assert_eq!((server.attempts(), server.at_once_max()), (64, 64));
    server.release();
    world.settles().await;
    assert_eq!(server.landed().len(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_cannot_be_claimed_for_holds_up_no_other() {
    let world = World::new(copying());
    world.ledger.fail_claims(Some(destination("share")));
    for number in 0..3 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
        world.settles().await;
    }
    assert_eq!(world.destination("archive").landed().len(), 3);
    assert_eq!(world.destination("share").attempts(), 0);
    world.ledger.fail_claims(None);
    world.after_minutes(1).await;
    assert_eq!(world.destination("share").landed().len(), 3);

    // Alone it is the whole pass that fails.
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    world.applies(config);
    world.ledger.fail_claims(Some(destination("share")));
    world.arrives("landing/north/last.csv").await;
    assert_eq!(
        world.try_settle().await.unwrap_err().kind(),
        Kind::Unavailable
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_wait_hide_nobody() {
    let mut config = config();
    add_lookup(&mut config, "push", "landing/*/**");
    let world = World::new(config);
    for number in 0..1100 {
        world.arrives(&format!("landing/{number:04}/a.csv")).await;
    }
    // Nobody knows the names: each is a dead letter as soon as its turn comes.
    world.settles().await;
    let table = world.table().await;
    assert_eq!(table.len(), 1100);
    assert!(table.iter().all(|row| row.ends_with("dead 1")));
    assert_eq!(world.mails("ops").len(), 1);
}
