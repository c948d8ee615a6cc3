//! A destination that fails is left alone, then tried by one.

use qm_core::Kind;
use qm_core::config::{BreakerPolicy, Config, Deliver};
use qm_core::retry::RetryPolicy;
use qm_testkit::outside::Act;
use std::time::Duration;

use crate::settings::{add_lookup, add_route, config, limits};
use crate::world::World;

/// Left alone for ten minutes after three failures in a row; attempts enough for all of it.
fn breaking() -> Config {
    let mut config = config();
    let pauses = vec![Duration::from_secs(1); 50];
    add_route(&mut config, "copy", "landing/**", &["share"]).retry = RetryPolicy::pauses(pauses);
    limits(&mut config, "share").breaker = BreakerPolicy {
        failures: 3,
        pause: Duration::from_mins(10),
    };
    config
}

#[tokio::test(start_paused = true)]
async fn it_opens_one_tries_and_it_closes() {
    let world = World::new(breaking());
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    for number in 0..8 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    // Four were begun together before three had failed.
    assert_eq!(share.attempts(), 4);
    world.after_minutes(9).await;
    assert_eq!(share.attempts(), 4);
    world.clock.set("2026-11-20T12:09:59.5Z".parse().unwrap());
    let next = world.pass("deliver").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:10:00Z".parse().unwrap()));
    world.it_is("2026-11-20T12:10:00Z").await;
    assert_eq!(share.attempts(), 5, "one tries");
    world.after_minutes(10).await;
    assert_eq!(share.attempts(), 6, "and one tries again");

    share.set_down(None);
    share.hold();
    world.clock.set("2026-11-20T12:30:00Z".parse().unwrap());
    world.runs_until(|_| share.attempts() == 7).await;
    for _ in 0..10 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(share.attempts(), 7, "one is enough");
    share.release();
    world.settles().await;
    assert_eq!(share.landed().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_files_leave_nothing_alone() {
    let world = World::new(breaking());
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Refused); 8]);
    for number in 0..10 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    assert_eq!((share.attempts(), share.landed().len()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_ends_before_it_gets_there_lets_the_next_one_try() {
    let world = World::new(breaking());
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    let version = world.arrives("landing/north/0.csv").await;
    for _ in 0..3 {
        world.settles().await;
        world.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    world.arrives("landing/north/1.csv").await;
    world.settles().await;
    assert_eq!(share.attempts(), 3);
    share.set_down(None);
    world.shelf.lose(version.id);
    world.after_minutes(10).await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/0.csv share dead 4",
            "landing/north/1.csv share delivered 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn another_destination_is_none_of_its_business() {
    let mut config = breaking();
    add_route(&mut config, "keep", "landing/**", &["archive"]);
    let world = World::new(config);
    world.destination("share").set_down(Some(Kind::Timeout));
    for number in 0..20 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
        world.settles().await;
    }
    assert_eq!(world.destination("share").attempts(), 3);
    assert_eq!(world.destination("archive").landed().len(), 20);
}

/// To a server that the first folder is looked up for, one at a time.
fn pushing() -> Config {
    let mut config = config();
    let route = add_lookup(&mut config, "push", "landing/*/**");
    if let Deliver::LookUp(lookup) = &mut route.deliver {
        lookup.limits.concurrency = 1;
        lookup.limits.breaker = BreakerPolicy {
            failures: 3,
            pause: Duration::from_mins(10),
        };
    }
    config
}

async fn with_ten_files() -> World {
    let world = World::new(pushing());
    let pin = format!("SHA256:{}", "A".repeat(43));
    let secret = format!(
        r#"{{"host": "one.test", "username": "north", "password": "x", "known_hosts": "{pin}"}}"#
    );
    world.doors.keeps("push/north", &secret);
    for number in 0..10 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world
}

/// As when its host key is not the pinned one any more.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_whoever_comes_is_tried_by_one() {
    let world = with_ten_files().await;
    let server = world.destination("one.test");
    server.set_down(Some(Kind::Refused));
    world.settles().await;
    assert_eq!(server.attempts(), 3);
    world.after_minutes(10).await;
    assert_eq!(server.attempts(), 4);
    server.set_down(None);
    world.after_minutes(10).await;
    assert_eq!(server.landed().len(), 6, "the others waited");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_answers_about_one_file_tells_nothing_of_it() {
    let world = with_ten_files().await;
    let server = world.destination("one.test");
    server.acts([Act::FailForNow(Kind::Refused); 9]);
    world.settles().await;
    assert_eq!((server.attempts(), server.landed().len()), (10, 1));

    // Nor does it make good what failed before and after.
    let world = with_ten_files().await;
    let server = world.destination("one.test");
    server.acts([
        Act::Fail(Kind::Unavailable),
        Act::Fail(Kind::Timeout),
        Act::FailForNow(Kind::Refused),
        Act::Fail(Kind::Unavailable),
    ]);
    world.settles().await;
    assert_eq!(server.attempts(), 4);
}
