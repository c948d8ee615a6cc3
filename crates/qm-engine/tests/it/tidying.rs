//! What a route does to an object when it is delivered.

use qm_core::Kind;
use qm_core::audit::Activity;
use qm_core::config::{AfterDelivery, Config};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{Deliveries as _, DeliveryFilter, Names as _};
use qm_core::template::Template;
use qm_testkit::outside::Act;

use crate::settings::{add_route, config};
use crate::world::{World, audit, parse};

fn after(action: AfterDelivery) -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share", "archive"]).after = action;
    config
}

fn to_archive() -> AfterDelivery {
    AfterDelivery::Move(Template::parse("done/{arrived:%Y-%m-%d}/{key}").unwrap())
}

/// The last line of the attempts of each delivery of a path, in order of creation.
async fn last_notes(world: &World) -> Vec<String> {
    let mut notes = Vec::new();
    for delivery in world.deliveries().await.into_iter().rev() {
        let attempts = world.ledger.attempts(delivery.id).await.unwrap();
        notes.push(attempts.last().unwrap().note.clone().unwrap());
    }
    notes
}

async fn is_current(world: &World, path: &str) -> bool {
    world.ledger.current(&parse(path)).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn kept() {
    let world = World::new(after(AfterDelivery::Keep));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert!(world.hands.done().is_empty());
    assert!(is_current(&world, "landing/north/a.csv").await);
    assert_eq!(last_notes(&world).await, ["held in memory"; 2]);
}

#[tokio::test(start_paused = true)]
async fn removed_when_everything_of_it_is_delivered() {
    let world = World::new(after(AfterDelivery::Delete));
    let archive = world.destination("archive");
    archive.acts([Act::Fail(Kind::Unavailable)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert_eq!(world.destination("share").landed().len(), 1);
    assert!(is_current(&world, "landing/north/a.csv").await);
    world.after_minutes(1).await;
    assert_eq!(world.hands.done(), ["landing/north/a.csv removed"]);
    assert!(!is_current(&world, "landing/north/a.csv").await);
    let mut notes = last_notes(&world).await;
    notes.sort();
    assert_eq!(
        notes,
        [
            "left as it is: the name shows another version by now, or none",
            "removed: delivered on route copy",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn moved_to_the_archive_without_another_delivery() {
    let world = World::new(after(to_archive()));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let to = "done/2026-11-20/north/a.csv";
    assert_eq!(
        world.hands.done(),
        [format!("landing/north/a.csv moved to {to}")]
    );
    assert!(is_current(&world, &format!("landing/{to}")).await);
    assert_eq!(world.table().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_under_the_name_stays() {
    let world = World::new(after(AfterDelivery::Delete));
    let share = world.destination("share");
    share.hold();
    world.arrives_with("landing/north/a.csv", b"older").await;
    world.runs_until(|_| share.attempts() == 1).await;
    let newer = world.arrives_with("landing/north/a.csv", b"newer").await;
    share.refuse("north/a.csv");
    share.release();
    world.settles().await;
    let path = parse("landing/north/a.csv");
    let current = world.ledger.current(&path).await.unwrap();
    assert_eq!(current.unwrap().id, newer.id);
    assert!(world.hands.done().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_route_must_have_delivered() {
    let mut config = after(to_archive());
    add_route(&mut config, "other", "landing/**", &["third"]).after = AfterDelivery::Delete;
    let world = World::new(config);
    let third = world.destination("third");
    third.acts([Act::Fail(Kind::Refused)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.after_minutes(60).await;
    assert!(world.hands.done().is_empty());
    assert!(is_current(&world, "landing/north/a.csv").await);
    world.redrives().await;
    world.settles().await;
    // Both routes ask for it, and the first that does has it.
    assert_eq!(world.hands.done().len(), 1);
    assert!(!is_current(&world, "landing/north/a.csv").await);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_cannot_be_changed_now_is_changed_later() {
    let world = World::new(after(AfterDelivery::Delete));
    world.hands.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let next = world.pass("tidy").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:01:00Z".parse().unwrap()));
    for minute in [1, 3] {
        world.it_is(&format!("2026-11-20T12:{minute:02}:00Z")).await;
        assert!(world.mails("ops").is_empty());
    }
    world.it_is("2026-11-20T12:07:00Z").await;
    assert_eq!(
        world.mails("ops"),
        ["landing/north/a.csv could not be tidied up"]
    );
    world.hands.set_down(None);
    world.after_minutes(10).await;
    assert_eq!(world.hands.done(), ["landing/north/a.csv removed"]);
    assert!(world.firing().await.is_empty());
    assert_eq!(world.mails("ops").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_made_is_told_and_nothing_is_touched() {
    let partner = Template::parse("{partner}/{name}").unwrap();
    let world = World::new(after(AfterDelivery::Move(partner)));
    for number in 0..3 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    assert!(world.hands.done().is_empty());
    assert_eq!(world.mails("ops").len(), 1);
    assert_eq!(world.firing().await.len(), 1);
    for note in last_notes(&world).await {
        assert!(note.starts_with("left where it is: "), "{note}");
    }
    let table = world.table().await;
    assert!(
        table.iter().all(|row| row.ends_with("delivered 1")),
        "{table:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn many_in_trouble_hide_no_other() {
    let world = World::new(after(AfterDelivery::Delete));
    world.hands.set_down(Some(Kind::Unavailable));
    for number in 0..130 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    world.hands.set_down(None);
    world.arrives("landing/north/last.csv").await;
    world.settles().await;
    let done = world.hands.done();
    assert!(done.contains(&"landing/north/last.csv removed".to_owned()));
    world.after_minutes(2).await;
    assert_eq!(world.hands.done().len(), 131);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_cancelled_holds_the_object_back() {
    let world = World::new(after(to_archive()));
    world.destination("share").acts([Act::Fail(Kind::Refused)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    assert!(world.hands.done().is_empty());
    let now = world.clock.now();
    let cancelled = world
        .ledger
        .cancel(DeliveryFilter::default(), audit(now, Activity::Cancel), now)
        .await
        .unwrap();
    assert_eq!(cancelled.len(), 1);
    world.settles().await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv share cancelled 1",
            "landing/north/a.csv archive delivered 1",
        ]
    );
    assert!(
        world.hands.done().is_empty(),
        "it was not delivered everywhere"
    );
    assert_eq!(world.destination("share").attempts(), 1);
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_tidied_up_for_days_is_given_up_with_a_note() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]).after = AfterDelivery::Delete;
    let world = World::new(config);
    world.hands.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    for _ in 0..80 {
        world.after_minutes(60).await;
    }
    assert!(world.ledger.finished(9).await.unwrap().is_empty());
    let notes = last_notes(&world).await;
    assert!(notes[0].starts_with("left where it is: "), "{notes:?}");
    assert_eq!(world.mails("ops").len(), 1);
    assert_eq!(world.firing().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_node_has_done_is_no_trouble_any_more() {
    let world = World::new(after(AfterDelivery::Delete));
    world.hands.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    for minutes in [1, 2, 4] {
        world.after_minutes(minutes).await;
    }
    assert_eq!(world.firing().await.len(), 1);
    for finished in world.ledger.finished(9).await.unwrap() {
        let now = world.clock.now();
        let tidied = world.ledger.tidied(finished.delivery, "removed", now);
        tidied.await.unwrap();
    }
    world.settles().await;
    assert!(world.firing().await.is_empty());
}
