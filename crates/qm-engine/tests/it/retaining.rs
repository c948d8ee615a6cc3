use jiff::SignedDuration;
use qm_core::Kind;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{EventState, Inbox as _, Names as _, Partials as _, RawEvent};
use qm_engine::run_one;
use qm_testkit::outside::Act;
use std::time::Duration;
use tokio::sync::watch;

use crate::settings::{add_route, bucket, config, keep};
use crate::world::{World, parse};

#[tokio::test(start_paused = true)]
async fn a_broken_off_upload_expires() {
    let world = World::new(config());
    let partial = world.breaks_off("landing/north/a.csv").await;
    let next = world.pass("retain").await.unwrap().next;
    assert_eq!(next, Some("2026-11-21T12:00:00Z".parse().unwrap()));
    world.after_minutes(24 * 60 - 1).await;
    assert_eq!(world.ledger.partials().await.unwrap().len(), 1);
    world.after_minutes(1).await;
    assert_eq!(world.ledger.partials().await.unwrap(), []);
    assert_eq!(world.shelf.discarded(), [partial.parked.token]);
    world.after_minutes(1).await;
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_says_no_is_asked_again() {
    let world = World::new(config());
    world.breaks_off("landing/north/a.csv").await;
    world.shelf.set_down(Some(Kind::Unavailable));
    world.clock.set("2026-11-22T12:00:00Z".parse().unwrap());
    world.pass("retain").await.unwrap_err();
    assert_eq!(world.ledger.partials().await.unwrap().len(), 1);
    world.shelf.set_down(None);
    world.pass("retain").await.unwrap();
    assert_eq!(world.ledger.partials().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_upload_of_a_bucket_that_is_not_configured_stays() {
    let world = World::new(config());
    world.breaks_off("elsewhere/north/a.csv").await;
    world.after_minutes(48 * 60).await;
    assert_eq!(world.ledger.partials().await.unwrap().len(), 1);
    assert_eq!(world.shelf.discarded(), []);
}

#[tokio::test(start_paused = true)]
async fn a_version_kept_aside_goes_when_its_deliveries_have_ended() {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    let world = World::new(config);
    world
        .destination("share")
        .acts([Act::Fail(Kind::Unavailable)]);
    let older = world.arrives_with("landing/north/a.csv", b"older").await;
    world.settles().await;
    world.removes("landing/north/a.csv", &older).await;
    world.settles().await;
    assert_eq!(world.shelf.released(), []);
    world.after_minutes(1).await;
    assert_eq!(world.shelf.released(), [(older.id, key())]);
    assert_eq!(world.shelf.discarded(), []);
    let bytes = world.destination("share").bytes("north/a.csv").unwrap();
    assert_eq!(bytes, "older");
    let current = world.ledger.current(&path()).await.unwrap();
    assert_eq!(current, None);
}

fn path() -> ObjectPath {
    parse("landing/north/a.csv")
}

fn key() -> ObjectKey {
    path().key
}

/// Uploaded and removed.
async fn keeps_one(world: &World) -> Version {
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.removes("landing/north/a.csv", &version).await;
    version
}

async fn kept(world: &World) -> Vec<VersionId> {
    let kept = world.ledger.kept(&path()).await.unwrap();
    kept.into_iter().map(|kept| kept.version.id).collect()
}

#[tokio::test(start_paused = true)]
async fn as_many_versions_as_the_running_revision_says_are_kept() {
    let mut two = config();
    keep(&mut two, 2, None);
    let world = World::new(two);
    let mut versions = Vec::new();
    for _ in 0..4 {
        versions.push(keeps_one(&world).await.id);
        world.settles().await;
    }
    let released = |ids: &[VersionId]| ids.iter().map(|id| (*id, key())).collect::<Vec<_>>();
    assert_eq!(world.shelf.released(), released(&versions[..2]));
    assert_eq!(kept(&world).await, [versions[3], versions[2]]);
    world.applies(config());
    world.settles().await;
    let mut all = world.shelf.released();
    all.sort();
    assert_eq!(all, released(&versions));
    assert!(kept(&world).await.is_empty());
    // A bucket that left the configuration keeps what it has.
    let mut none = config();
    none.buckets.clear();
    world.applies(none);
    let version = keeps_one(&world).await;
    world.settles().await;
    assert_eq!(world.shelf.released().len(), 4);
    assert_eq!(kept(&world).await, [version.id]);
}

#[tokio::test(start_paused = true)]
async fn a_version_grows_old_without_a_signal() {
    let mut config = config();
    keep(&mut config, 9, Some(Duration::from_hours(24)));
    let world = World::new(config);
    let version = keeps_one(&world).await;
    world.settles().await;
    let (stop, stopping) = watch::channel(false);
    let retain = world.reconciler("retain");
    let running = tokio::spawn(run_one(retain, world.ports.clone(), stopping));
    world.clock.set("2026-11-21T11:59:59.999Z".parse().unwrap());
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.shelf.released(), []);
    world.clock.set("2026-11-21T12:00:00Z".parse().unwrap());
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.shelf.released(), [(version.id, key())]);
    stop.send_replace(true);
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_that_cannot_be_removed_are_not_forgotten() {
    let mut world = World::new(config());
    let version = keeps_one(&world).await;
    world.shelf.set_stuck(&key(), true);
    for _ in 0..2 {
        world.pass("retain").await.unwrap_err();
        world.restarts();
        assert!(kept(&world).await.is_empty(), "given up all the same");
    }
    world.shelf.set_stuck(&key(), false);
    world.settles().await;
    assert_eq!(world.shelf.released(), [(version.id, key())]);
    world.settles().await;
    assert_eq!(world.shelf.released().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_process_ends_between_the_bytes_and_the_row() {
    let mut world = World::new(config());
    let version = keeps_one(&world).await;
    // Giving up is a write, the row is the next one.
    world.ledger.fail_after(Some(1));
    world.pass("retain").await.unwrap_err();
    assert_eq!(world.shelf.released().len(), 1);
    world.ledger.fail_after(None);
    world.restarts();
    world.settles().await;
    assert_eq!(
        world.shelf.released(),
        [(version.id, key()), (version.id, key())]
    );
    world.settles().await;
    assert_eq!(world.shelf.released().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn events_done_long_ago_are_forgotten() {
    let world = World::new(config());
    let event = |number: u32| RawEvent {
        bucket: path().bucket,
        id: number.to_string(),
        body: String::new(),
        received_at: world.clock.now(),
    };
    let ledger = &world.ledger;
    ledger
        .receive((0..2_500).map(event).collect())
        .await
        .unwrap();
    let rows = ledger.due_events(world.clock.now(), 9_999).await.unwrap();
    let now = world.clock.now();
    for row in &rows[1..] {
        let done = EventState::Done("ours".to_owned());
        ledger
            .event_read(row.id, done, None, None, now)
            .await
            .unwrap();
    }
    world.after_minutes(14 * 24 * 60).await;
    assert_eq!(ledger.events(9_999, None).await.unwrap().len(), 2_500);
    world.after_minutes(59).await;
    assert_eq!(ledger.events(9_999, None).await.unwrap().len(), 2_500);
    world.clock.advance(SignedDuration::from_mins(1));
    // Those that are left are not waited for.
    for has_more in [true, true, false] {
        let pass = world.pass("retain").await.unwrap();
        assert_eq!(pass.has_progressed, has_more);
    }
    assert_eq!(ledger.events(9_999, None).await.unwrap(), rows[..1]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_could_not_be_set_up_keeps_what_it_has() {
    let mut config = config();
    let landing = config.buckets[&bucket("landing")].clone();
    config.buckets.insert(bucket("elsewhere"), landing);
    let world = World::new(config);
    let version = world.arrives("elsewhere/north/a.csv").await;
    world.settles().await;
    world.removes("elsewhere/north/a.csv", &version).await;
    world.settles().await;
    let kept = world.ledger.kept(&parse("elsewhere/north/a.csv")).await;
    assert_eq!(kept.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_version_with_two_names_goes_when_both_are_free() {
    let world = World::new(config());
    let version = world.arrives("landing/north/old.csv").await;
    world.settles().await;
    let new = parse("landing/north/new.csv");
    world
        .renames("landing/north/old.csv", &new.key, &version)
        .await;
    world.removes("landing/north/new.csv", &version).await;
    world.shelf.set_stuck(&new.key, true);
    world.pass("retain").await.unwrap_err();
    world.shelf.set_stuck(&new.key, false);
    world.settles().await;
    let released = world.shelf.released();
    assert!(released.contains(&(version.id, new.key)), "{released:?}");
}
