use qm_core::Kind;
use qm_core::config::{Config, OnFailure};
use qm_core::template::Template;
use qm_testkit::outside::Act;

use crate::settings::{add_route, config, settings};
use crate::world::World;

fn copying(on_failure: OnFailure) -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]).on_failure = on_failure;
    config
}

#[tokio::test(start_paused = true)]
async fn block_keeps_the_order_of_arrival() {
    let world = World::new(copying(OnFailure::Block));
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Unavailable)]);
    let older = world.arrives_with("landing/north/a.csv", b"older").await;
    world.settles().await;
    let newer = world.arrives_with("landing/north/a.csv", b"newer").await;
    world.arrives("landing/north/other.csv").await;
    world.settles().await;
    let landed = |world: &World| -> Vec<_> {
        let landed = world.destination("share").landed();
        landed.into_iter().map(|l| (l.target, l.version)).collect()
    };
    assert_eq!(landed(&world).len(), 1);
    assert_eq!(landed(&world)[0].0, "north/other.csv");

    world.after_minutes(1).await;
    let a_csv = "north/a.csv".to_owned();
    assert_eq!(
        landed(&world)[1..],
        [(a_csv.clone(), older.id), (a_csv, newer.id)]
    );
    assert_eq!(share.bytes("north/a.csv").unwrap(), "newer");
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_supersedes_an_older_open_one() {
    let world = World::new(copying(OnFailure::SkipSuperseded));
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Unavailable), Act::Fail(Kind::Refused)]);
    world
        .arrives_with("landing/north/waiting.csv", b"older")
        .await;
    world.settles().await;
    world.arrives_with("landing/north/dead.csv", b"older").await;
    world.settles().await;
    assert_eq!(world.firing().await.len(), 1);
    world
        .arrives_with("landing/north/waiting.csv", b"newer")
        .await;
    world.arrives_with("landing/north/dead.csv", b"newer").await;
    world.settles().await;
    world.after_minutes(60).await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/waiting.csv share superseded 1",
            "landing/north/dead.csv share superseded 1",
            "landing/north/waiting.csv share delivered 1",
            "landing/north/dead.csv share delivered 1",
        ]
    );
    assert!(world.firing().await.is_empty());
    assert_eq!(share.bytes("north/waiting.csv").unwrap(), "newer");
    assert_eq!(world.redrives().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_older_version_does_not_overwrite_a_newer() {
    let world = World::new(copying(OnFailure::Block));
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Refused)]);
    world.arrives_with("landing/north/a.csv", b"older").await;
    world.settles().await;
    world.arrives_with("landing/north/a.csv", b"newer").await;
    world.settles().await;
    assert_eq!(world.redrives().await, 1);
    world.settles().await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv share superseded 1",
            "landing/north/a.csv share delivered 1",
        ]
    );
    assert_eq!(share.bytes("north/a.csv").unwrap(), "newer");
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_target_gets_one_attempt_at_a_time() {
    let world = World::new(copying(OnFailure::Block));
    let share = world.destination("share");
    share.hold();
    world.arrives_with("landing/north/a.csv", b"1").await;
    world.arrives_with("landing/north/a.csv", b"2").await;
    world.arrives_with("landing/north/b.csv", b"1").await;
    world.runs_until(|_| share.attempts() == 2).await;
    for _ in 0..10 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(share.attempts(), 2);
    share.release();
    world.settles().await;
    assert_eq!((share.attempts(), share.at_once_max()), (3, 2));
    assert_eq!(share.bytes("north/a.csv").unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn independent_ones_do_not_wait_for_an_older_one_that_waits() {
    let world = World::new(copying(OnFailure::Independent));
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Unavailable)]);
    world.arrives_with("landing/north/a.csv", b"older").await;
    world.settles().await;
    let newer = world.arrives_with("landing/north/a.csv", b"newer").await;
    world.settles().await;
    assert_eq!(share.landed()[0].version, newer.id);
    world.after_minutes(1).await;
    // Its turn came after a newer one was there.
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv share superseded 2",
            "landing/north/a.csv share delivered 1",
        ]
    );
    assert_eq!(share.bytes("north/a.csv").unwrap(), "newer");
}

#[tokio::test(start_paused = true)]
async fn different_files_with_one_name_there_go_one_after_the_other() {
    let mut config = copying(OnFailure::Block);
    settings(&mut config, "share").name = Some(Template::parse("all/{name}").unwrap());
    let world = World::new(config);
    let share = world.destination("share");
    share.hold();
    world.arrives_with("landing/north/a.csv", b"north").await;
    world.arrives_with("landing/south/a.csv", b"south").await;
    world.runs_until(|_| share.attempts() == 1).await;
    for _ in 0..10 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(share.attempts(), 1);
    share.release();
    world.settles().await;
    // Each is a source of its own, so neither replaces the other on the way.
    assert_eq!((share.landed().len(), share.at_once_max()), (2, 1));
    assert_eq!(share.bytes("all/a.csv").unwrap(), "south");
}
