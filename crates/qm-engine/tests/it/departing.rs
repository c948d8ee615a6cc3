//! What was delivered follows its object when that departs, where a route says so.

use qm_core::Kind;
use qm_core::arrival::Cause;
use qm_core::audit::Activity;
use qm_core::config::{AfterDelivery, Config, Propagate};
use qm_core::delivery::{DeliveryState, Effect};
use qm_core::operation::{Change, NameChange, Version};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::Names as _;
use qm_core::template::Template;
use qm_testkit::outside::Act;

use crate::settings::{add_route, config, settings};
use crate::world::{World, audit, parse};

fn following(propagate: &[Propagate]) -> Config {
    let mut config = config();
    let route = add_route(&mut config, "copy", "landing/in/**", &["share"]);
    route.propagate = propagate.iter().copied().collect();
    config
}

impl World {
    /// A partner removes the file.
    async fn departs(&self, path: &str, version: &Version) {
        self.change(path, version, Change::Remove, None).await;
    }

    /// A partner renames the file.
    async fn departs_to(&self, path: &str, to: &str, version: &Version) {
        let to = parse(to).key;
        let change = Change::Rename { to };
        self.change(path, version, change, Some(Cause::Rename))
            .await;
    }

    async fn change(&self, path: &str, version: &Version, change: Change, arrival: Option<Cause>) {
        let now = self.clock.now();
        let change = NameChange {
            path: parse(path),
            seen: None,
            replaces: (change == Change::Remove).then_some(version.id),
            keep_aside: change == Change::Remove,
            keep_moved: change != Change::Remove,
            change,
            version: Some(version.clone()),
            departs: true,
            arrival,
            account: None,
            at: now,
            audit: audit(now, Activity::Delete),
        };
        let operation = self.ledger.record(change).await.unwrap();
        self.ledger.complete(&operation).await.unwrap();
    }

    /// (effect, target, state) in order of creation.
    async fn effects(&self) -> Vec<String> {
        let mut deliveries = self.deliveries().await;
        deliveries.reverse();
        let row = |d: &qm_core::delivery::Delivery| {
            format!("{} {} {}", d.effect.as_str(), d.target, d.state.as_str())
        };
        deliveries.iter().map(row).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_object_is_removed_where_it_was_delivered() {
    let world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    let file = world.arrives("landing/in/a.csv").await;
    world.settles().await;
    world.departs("landing/in/a.csv", &file).await;
    share.acts([Act::FailForNow(Kind::Unavailable)]);
    world.settles().await;
    assert!(share.bytes("in/a.csv").is_some());
    world.after_minutes(1).await;
    assert_eq!(share.bytes("in/a.csv"), None);
    let effects = ["put in/a.csv delivered", "remove in/a.csv delivered"];
    assert_eq!(world.effects().await, effects);
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_where_no_route_says_so() {
    for propagate in [&[][..], &[Propagate::Rename]] {
        let world = World::new(following(propagate));
        let file = world.arrives("landing/in/a.csv").await;
        world.settles().await;
        world.departs("landing/in/a.csv", &file).await;
        world.settles().await;
        assert_eq!(world.effects().await, ["put in/a.csv delivered"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_after_deliveries_is_not_followed() {
    for after in [
        AfterDelivery::Delete,
        AfterDelivery::Move(Template::parse("in/done/{name}").unwrap()),
    ] {
        let mut config = following(&[Propagate::Delete, Propagate::Rename]);
        for route in config.routes.values_mut() {
            route.after = after.clone();
        }
        let world = World::new(config);
        world.arrives("landing/in/a.csv").await;
        world.settles().await;
        assert_eq!(world.hands.done().len(), 1, "{after:?}");
        assert_eq!(world.effects().await, ["put in/a.csv delivered"]);
        assert!(world.destination("share").bytes("in/a.csv").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_never_overtakes_what_it_removes() {
    let world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    share.hold();
    let file = world.arrives("landing/in/a.csv").await;
    world
        .runs_until(|world| world.destination("share").attempts() == 1)
        .await;
    world.departs("landing/in/a.csv", &file).await;
    for _ in 0..3 {
        world.pass("route").await.unwrap();
        world.pass("deliver").await.unwrap();
    }
    assert_eq!(share.attempts(), 1);
    share.release();
    world.settles().await;
    assert_eq!(share.bytes("in/a.csv"), None);
    assert_eq!(share.landed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_is_not_removed_with_the_old_one() {
    let world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    let old = world.arrives_with("landing/in/a.csv", b"old").await;
    world.settles().await;
    world.departs("landing/in/a.csv", &old).await;
    world.arrives_with("landing/in/a.csv", b"new").await;
    world.settles().await;
    assert_eq!(share.bytes("in/a.csv").unwrap(), "new");
    let effects = world.effects().await;
    assert_eq!(
        effects
            .iter()
            .filter(|row| row.ends_with("delivered"))
            .count(),
        2
    );

    // What others put there in its place is not what was delivered.
    let new = world.arrives_with("landing/in/b.csv", b"b").await;
    world.settles().await;
    share.take_away("in/b.csv");
    share.puts("in/b.csv", b"theirs");
    world.departs("landing/in/b.csv", &new).await;
    world.settles().await;
    assert_eq!(share.bytes("in/b.csv").unwrap(), "theirs");
}

#[tokio::test(start_paused = true)]
async fn an_open_delivery_of_what_departed_is_given_up() {
    let world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    let first = world.arrives_with("landing/in/a.csv", b"first").await;
    world.settles().await;
    share.acts([Act::Fail(Kind::Refused)]);
    let second = world.arrives_with("landing/in/a.csv", b"second").await;
    world.settles().await;
    assert_eq!(
        world.delivery_of(second.id).await.state,
        DeliveryState::Dead
    );
    world.departs("landing/in/a.csv", &second).await;
    world.settles().await;
    // What had been there before went as well.
    assert_eq!(share.bytes("in/a.csv"), None);
    assert!(world.firing().await.is_empty());
    assert_eq!(world.redrives().await, 0);
    assert_eq!(
        world.delivery_of(first.id).await.state,
        DeliveryState::Delivered
    );
}

#[tokio::test(start_paused = true)]
async fn a_renamed_object_is_renamed_where_it_was_delivered() {
    let world = World::new(following(&[Propagate::Rename]));
    let share = world.destination("share");
    let file = world.arrives("landing/in/a.csv").await;
    world.settles().await;
    world
        .departs_to("landing/in/a.csv", "landing/in/b.csv", &file)
        .await;
    share.acts([Act::FailForNow(Kind::Unavailable)]);
    world.settles().await;
    assert!(
        share.bytes("in/a.csv").is_some(),
        "until the other one is there"
    );
    world.after_minutes(1).await;
    assert!(share.bytes("in/b.csv").is_some());
    assert_eq!(share.bytes("in/a.csv"), None);
    assert_eq!(
        world.effects().await,
        [
            "put in/a.csv delivered",
            "put in/b.csv delivered",
            "remove in/a.csv delivered",
        ]
    );
    // Back again, and away to where the route takes nothing: without `delete` the copy stays.
    world
        .departs_to("landing/in/b.csv", "landing/in/a.csv", &file)
        .await;
    world.settles().await;
    assert!(share.bytes("in/a.csv").is_some() && share.bytes("in/b.csv").is_none());
    world
        .departs_to("landing/in/a.csv", "landing/out/a.csv", &file)
        .await;
    world.settles().await;
    assert!(share.bytes("in/a.csv").is_some());
}

#[tokio::test(start_paused = true)]
async fn renamed_to_where_the_route_takes_nothing_is_removed() {
    let world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    let file = world.arrives("landing/in/a.csv").await;
    world.settles().await;
    world
        .departs_to("landing/in/a.csv", "landing/in/b.csv", &file)
        .await;
    world.settles().await;
    assert!(
        share.bytes("in/a.csv").is_some(),
        "renames are not followed"
    );
    world
        .departs_to("landing/in/b.csv", "landing/in/a.csv", &file)
        .await;
    world
        .departs_to("landing/in/a.csv", "landing/out/a.csv", &file)
        .await;
    world.settles().await;
    assert_eq!(share.bytes("in/a.csv"), None);
}

/// Both names make one at the destination: nothing of it is lost.
#[tokio::test(start_paused = true)]
async fn a_renamed_object_may_keep_its_name_there() {
    let mut config = following(&[Propagate::Delete, Propagate::Rename]);
    settings(&mut config, "share").name = Some(Template::parse("{name}").unwrap());
    let world = World::new(config);
    let share = world.destination("share");
    let file = world.arrives("landing/in/x/a.csv").await;
    world.settles().await;
    world
        .departs_to("landing/in/x/a.csv", "landing/in/y/a.csv", &file)
        .await;
    world.settles().await;
    assert!(share.bytes("a.csv").is_some());
    world.departs("landing/in/y/a.csv", &file).await;
    world.settles().await;
    assert_eq!(share.bytes("a.csv"), None);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_removal_is_done_again() {
    let mut world = World::new(following(&[Propagate::Delete]));
    let share = world.destination("share");
    let file = world.arrives("landing/in/a.csv").await;
    world.settles().await;
    world.departs("landing/in/a.csv", &file).await;
    share.hold();
    world
        .runs_until(|world| world.destination("share").attempts() == 2)
        .await;
    world.restarts();
    share.release();
    world.settles().await;
    assert_eq!(share.bytes("in/a.csv"), None);
    let last = world.deliveries().await.remove(0);
    assert!(matches!(last.effect, Effect::Remove { .. }));
    assert_eq!(last.state, DeliveryState::Delivered);
    assert!(!last.possible_duplicate);
}
