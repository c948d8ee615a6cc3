use qm_core::delivery::DeliveryState;
use qm_core::name::Prefix;
use qm_core::ports::ledger::Arrivals as _;
use qm_core::template::Template;

use crate::settings::{add_account, add_route, config, settings};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn every_route_that_matches_and_every_destination_of_it() {
    let mut config = config();
    add_route(
        &mut config,
        "csv",
        "landing/**/*.csv",
        &["share", "archive"],
    );
    add_route(&mut config, "north", "landing/north/*", &["share"]);
    let world = World::new(config);
    world.arrives("landing/north/a.csv").await;
    world.arrives("landing/north/b.txt").await;
    world.arrives("landing/south/c.csv").await;
    world.arrives("landing/south/d.txt").await;
    world.settles().await;
    let mut table = world.table().await;
    table.sort();
    assert_eq!(
        table,
        [
            "landing/north/a.csv archive delivered 1",
            "landing/north/a.csv share delivered 1",
            "landing/north/a.csv share delivered 1",
            "landing/north/b.txt share delivered 1",
            "landing/south/c.csv archive delivered 1",
            "landing/south/c.csv share delivered 1",
        ]
    );
    let arrivals = world.ledger.latest(10).await.unwrap();
    let counts: Vec<_> = arrivals.iter().rev().map(|a| a.deliveries).collect();
    assert_eq!(counts, [Some(3), Some(1), Some(2), Some(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_leading_folder_is_cut_off_only_where_it_is_one() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    settings(&mut config, "share").strip = Prefix::parse("north/in").unwrap();
    let world = World::new(config);
    for (path, target) in [
        ("landing/north/in/a.csv", "a.csv"),
        ("landing/north/in/deep/a.csv", "deep/a.csv"),
        ("landing/north/inner/a.csv", "north/inner/a.csv"),
        ("landing/south/a.csv", "south/a.csv"),
        ("landing/north/in", "north/in"),
    ] {
        let version = world.arrives(path).await;
        world.settles().await;
        assert_eq!(world.delivery_of(version.id).await.target, target);
        assert!(world.destination("share").bytes(target).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn smaller_files_than_asked_for_are_not_delivered() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]).min_size_bytes = 3;
    let world = World::new(config);
    world.arrives_with("landing/north/empty", b"").await;
    world.arrives_with("landing/north/small", b"ab").await;
    world.arrives_with("landing/north/enough", b"abc").await;
    world.settles().await;
    assert_eq!(
        world.table().await,
        ["landing/north/enough share delivered 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn more_arrivals_than_one_pass_takes() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let world = World::new(config);
    for number in 0..600 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    assert_eq!(world.destination("share").landed().len(), 600);
}

#[tokio::test(start_paused = true)]
async fn an_arrival_is_routed_by_the_revision_that_runs_then() {
    let world = World::new(config());
    world.arrives("landing/north/before.csv").await;
    world.settles().await;
    let mut with_route = config();
    add_route(&mut with_route, "copy", "landing/**", &["share"]);
    world.applies(with_route);
    let version = world.arrives("landing/north/after.csv").await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(delivery.revision.0, 2);
    assert_eq!(world.table().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_name_there_is_made_of_the_arrival() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    add_account(&mut config, "north");
    settings(&mut config, "share").name =
        Some(Template::parse("{partner}/{arrived:%Y%m%d}/{stem}_in.{extension}").unwrap());
    let world = World::new(config);
    world.arrives("landing/north/in/a.csv").await;
    world.settles().await;
    let landed = world.destination("share").landed();
    assert_eq!(landed[0].target, "north/20261120/a_in.csv");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_made_is_a_dead_letter_that_says_so() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    settings(&mut config, "share").name = Some(Template::parse("{partner}/{name}").unwrap());
    let world = World::new(config.clone());
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Dead);
    let reason = delivery.last_error.unwrap();
    assert!(reason.contains("no name could be made"), "{reason}");
    assert!(reason.contains("partner"), "{reason}");
    assert_eq!(world.mails("ops").len(), 1);
    assert_eq!(world.destination("share").attempts(), 0);

    settings(&mut config, "share").name = None;
    world.applies(config);
    world.redrives().await;
    world.settles().await;
    assert_eq!(world.destination("share").landed()[0].version, version.id);
}
