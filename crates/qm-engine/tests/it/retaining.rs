use qm_core::Kind;
use qm_core::ports::bucket::Place;
use qm_core::ports::ledger::{Names as _, Partials as _};
use qm_testkit::outside::Act;

use crate::settings::{add_route, config};
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
    assert_eq!(world.shelf.discarded(), [(partial.version, Place::Staging)]);
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
    assert_eq!(world.shelf.discarded(), []);
    world.after_minutes(1).await;
    assert_eq!(world.shelf.discarded(), [(older.id, Place::Kept)]);
    assert_eq!(world.ledger.releasable().await.unwrap(), []);
    let bytes = world.destination("share").bytes("north/a.csv").unwrap();
    assert_eq!(bytes, "older");
    assert_eq!(
        world
            .ledger
            .current(&parse("landing/north/a.csv"))
            .await
            .unwrap(),
        None
    );
}
