use jiff::SignedDuration;
use qm_core::ports::ledger::{Alerts as _, Partials as _};
use std::time::Duration;

use crate::settings::config;
use crate::world::World;

const SUBJECT: &str = "Upload of landing/north/a.csv broke off";

#[tokio::test(start_paused = true)]
async fn somebody_is_told_once_when_it_has_rested() {
    let mut world = World::new(config());
    world.breaks_off("landing/north/a.csv").await;
    let next = world.pass("alert").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:30:00Z".parse().unwrap()));
    world.after_minutes(29).await;
    assert_eq!(world.mails("ops"), Vec::<String>::new());
    world.after_minutes(1).await;
    assert_eq!(world.mails("ops"), [SUBJECT]);
    for _ in 0..5 {
        world.after_minutes(30).await;
        world.restarts();
    }
    assert_eq!(world.mails("ops"), [SUBJECT]);
    assert_eq!(world.firing().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_alert_ends_with_the_partial_and_does_not_come_back() {
    let mut world = World::new(config());
    let partial = world.breaks_off("landing/north/a.csv").await;
    world.after_minutes(30).await;
    assert_eq!(world.firing().await.len(), 1);
    // Ended by somebody else, it is not raised anew.
    let now = "2026-11-20T12:30:00Z".parse().unwrap();
    let key = qm_core::alert::partial_key(&partial);
    world.ledger.resolve(&key, None, now).await.unwrap();
    world.restarts();
    world.after_minutes(30).await;
    assert!(world.firing().await.is_empty());
    // Resumed, and broken off again: the same upload, told already.
    world.ledger.forget(partial.version).await.unwrap();
    world.settles().await;
    let audit = qm_core::audit::AuditRecord {
        at: now,
        actor: "north".to_owned(),
        source: None,
        activity: qm_core::audit::Activity::PartialClose,
        subject: "a.csv".to_owned(),
        decision: qm_core::audit::Decision::Allowed,
    };
    world.ledger.park(partial, audit).await.unwrap();
    world.after_minutes(60).await;
    assert!(world.firing().await.is_empty());
    assert_eq!(world.mails("ops"), [SUBJECT]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_resumed_ends_its_alert_quietly() {
    let mut world = World::new(config());
    let partial = world.breaks_off("landing/north/a.csv").await;
    world.breaks_off("landing/north/b.csv").await;
    world.after_minutes(30).await;
    assert_eq!(world.firing().await.len(), 2);
    world.ledger.forget(partial.version).await.unwrap();
    world.restarts();
    world.settles().await;
    let firing = world.firing().await;
    assert_eq!(firing.len(), 1);
    assert_eq!(
        firing[0].text.subject,
        "Upload of landing/north/b.csv broke off"
    );
    assert_eq!(world.mails("ops").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn wakes_do_not_read_all_of_them() {
    let world = World::new(config());
    let partial = world.breaks_off("landing/north/a.csv").await;
    world.after_minutes(30).await;
    assert_eq!(world.firing().await.len(), 1);
    world.ledger.forget(partial.version).await.unwrap();
    for (seconds, firing) in [(0, 1), (29, 1), (1, 0)] {
        world.clock.advance(SignedDuration::from_secs(seconds));
        let pass = world.pass("alert").await.unwrap();
        assert_eq!(world.firing().await.len(), firing);
        let again = (firing > 0).then(|| "2026-11-20T12:30:30Z".parse().unwrap());
        assert_eq!(pass.next, again);
    }
    // Not later than somebody is to be told.
    let mut config = config();
    config.node.partial_alert_after = Duration::ZERO;
    let world = World::new(config);
    world.settles().await;
    world.breaks_off("landing/north/b.csv").await;
    world.settles().await;
    assert_eq!(world.firing().await.len(), 1);
}
