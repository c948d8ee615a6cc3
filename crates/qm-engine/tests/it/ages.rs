//! The maximum age of a route's files.

use qm_core::Kind;
use qm_core::config::Config;
use qm_core::retry::RetryPolicy;
use std::time::Duration;

use crate::settings::{add_route, config};
use crate::world::World;

fn aging(pause: Duration) -> Config {
    let mut config = config();
    let route = add_route(&mut config, "copy", "landing/**", &["share"]);
    route.max_age = Some(Duration::from_hours(1));
    route.retry = RetryPolicy::pauses(vec![pause; 20]);
    config
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_given_up_and_told() {
    let world = World::new(aging(Duration::from_mins(25)));
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    for _ in 0..2 {
        world.after_minutes(25).await;
    }
    assert_eq!(share.attempts(), 3);
    // It would be tried again after seventy-five minutes: it is told when the hour is over.
    world.it_is("2026-11-20T12:59:59Z").await;
    assert!(world.mails("ops").is_empty());
    world.it_is("2026-11-20T13:00:00Z").await;
    assert_eq!(
        world.mails("ops"),
        ["Delivery of landing/north/a.csv to share expired"]
    );
    let text = &world.notifier("ops").sent()[0].text.body;
    assert!(
        text.contains("older than 3600 seconds, the maximum age of route `copy`"),
        "{text}"
    );
    assert!(text.contains("delivery redrive"), "{text}");
    share.set_down(None);
    world.after_minutes(600).await;
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 3"]);
    assert_eq!((share.attempts(), share.landed().len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_an_older_one_grows_old_as_well() {
    let world = World::new(aging(Duration::from_mins(1)));
    let share = world.destination("share");
    share.hold();
    world.arrives_with("landing/north/a.csv", b"older").await;
    world.runs_until(|_| share.attempts() == 1).await;
    world.arrives_with("landing/north/a.csv", b"newer").await;
    world.pass("route").await.unwrap();
    world.clock.set("2026-11-20T14:00:00Z".parse().unwrap());
    share.release();
    world.settles().await;
    // What was begun in time is not cut off.
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv share delivered 1",
            "landing/north/a.csv share dead 0",
        ]
    );
    assert_eq!(share.attempts(), 1);
}
