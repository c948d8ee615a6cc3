//! Attempts of which nobody knows how they ended.

use qm_core::Kind;
use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_core::ports::ledger::Deliveries as _;
use qm_testkit::outside::Act;

use crate::settings::{add_route, config};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    config
}

/// (landed, attempts at the destination, questions)
fn seen(world: &World) -> (usize, u32, u32) {
    let share = world.destination("share");
    (share.landed().len(), share.attempts(), share.questions())
}

#[tokio::test(start_paused = true)]
async fn what_is_there_after_all_is_not_sent_again() {
    let world = World::new(copying());
    world.destination("share").acts([Act::LoseAnswer]);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    assert!(matches!(delivery.state, DeliveryState::Waiting { .. }));
    assert!(delivery.possible_duplicate);
    world.after_minutes(1).await;
    assert_eq!(seen(&world), (1, 1, 1));
    let attempts = world.ledger.attempts(delivery.id).await.unwrap();
    let notes: Vec<_> = attempts
        .iter()
        .map(|a| a.note.as_deref().unwrap())
        .collect();
    assert_eq!(
        notes,
        [
            "the line was lost",
            "found at the destination before it was sent again"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_sent_again_and_stays_flagged() {
    let world = World::new(copying());
    world.destination("share").acts([Act::LoseRequest]);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.after_minutes(1).await;
    assert_eq!(seen(&world), (1, 2, 1));
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert!(delivery.possible_duplicate);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_one_is_asked_about_as_well() {
    let world = World::new(copying());
    let share = world.destination("share");
    share.acts([Act::LoseAnswer]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    share.set_down(Some(Kind::Unavailable));
    for _ in 0..3 {
        world.after_minutes(2).await;
    }
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 3"]);
    let told = &world.notifier("ops").sent()[0].text.body;
    assert!(told.contains("may have the file all the same"), "{told}");
    share.set_down(None);
    world.redrives().await;
    world.settles().await;
    assert_eq!(seen(&world), (1, 1, 3));
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_certain_is_neither_asked_about_nor_flagged() {
    let world = World::new(copying());
    world
        .destination("share")
        .acts([Act::Fail(Kind::Unavailable)]);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.after_minutes(1).await;
    assert_eq!(seen(&world), (1, 2, 0));
    assert!(!world.delivery_of(version.id).await.possible_duplicate);
}
