//! Alerts about deliveries as a whole.

use qm_core::Kind;
use qm_core::config::Config;
use qm_core::retry::RetryPolicy;
use qm_testkit::outside::Act;
use std::time::Duration;

use crate::settings::{add_route, config};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    let pauses = vec![Duration::from_mins(20); 20];
    let route = add_route(&mut config, "copy", "landing/**", &["share"]);
    route.retry = RetryPolicy::pauses(pauses);
    config
}

/// Those about the whole, without dead letters' own.
fn mails(world: &World) -> Vec<String> {
    let mut mails = world.mails("ops");
    mails.retain(|subject| !subject.starts_with("Delivery of"));
    mails
}

#[tokio::test(start_paused = true)]
async fn many_dead_letters_are_told_once_and_when_it_is_over() {
    let mut config = copying();
    config.node.dead_letters_alert = Some(3);
    let world = World::new(config);
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Refused); 4]);
    for number in 0..2 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    world.after_minutes(1).await;
    assert!(mails(&world).is_empty());
    world.arrives("landing/north/2.csv").await;
    world.settles().await;
    world.after_minutes(1).await;
    world.arrives("landing/north/3.csv").await;
    world.settles().await;
    world.after_minutes(60).await;
    assert_eq!(mails(&world), ["3 deliveries are given up"]);
    world.redrives().await;
    world.settles().await;
    world.after_minutes(1).await;
    let told = ["3 deliveries are given up", "Fewer deliveries are given up"];
    assert_eq!(mails(&world), told);
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_open_for_too_long_is_told_once_and_when_it_is_over() {
    let mut config = copying();
    config.node.undelivered_alert_after = Some(Duration::from_mins(30));
    let world = World::new(config);
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.it_is("2026-11-20T12:20:00Z").await;
    world.clock.set("2026-11-20T12:29:55Z".parse().unwrap());
    let next = world.pass("alert").await.unwrap().next;
    assert_eq!(next, Some("2026-11-20T12:30:00Z".parse().unwrap()));
    assert!(mails(&world).is_empty());
    world.it_is("2026-11-20T12:30:00Z").await;
    world.after_minutes(60).await;
    let told = "landing/north/a.csv has not been delivered to share";
    assert_eq!(mails(&world), [told]);
    let body = &world.notifier("ops").sent()[0].text.body;
    assert!(
        body.contains("attempts failed: the destination says no"),
        "{body}"
    );
    assert!(body.contains("quaymaster delivery show"), "{body}");
    share.set_down(None);
    world.after_minutes(30).await;
    world.after_minutes(1).await;
    assert_eq!(mails(&world), [told, "Deliveries are on time again"]);
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_forgotten_is_told_once_and_when_it_is_over() {
    const TOLD: &str = "Dead letters have not been taken care of";
    let mut config = copying();
    config.node.dead_letters_alert_after = Some(Duration::from_hours(4));
    let world = World::new(config);
    let share = world.destination("share");
    share.acts([Act::Fail(Kind::Refused); 3]);
    for number in 0..2 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.it_is("2026-11-20T12:00:00Z").await;
    world.it_is("2026-11-20T16:00:00Z").await;
    assert!(mails(&world).is_empty());
    world.it_is("2026-11-20T16:01:00Z").await;
    world.after_minutes(120).await;
    assert_eq!(mails(&world), [TOLD]);
    let sent = world.notifier("ops").sent();
    let body = &sent
        .iter()
        .find(|m| m.text.subject == TOLD)
        .unwrap()
        .text
        .body;
    assert!(
        body.contains("was given up at 2026-11-20T12:00:00Z") && body.contains("delivery redrive"),
        "{body}"
    );
    // One is delivered, and one fails again: it is a new dead letter.
    world.redrives().await;
    world.settles().await;
    world.after_minutes(1).await;
    let over = "No dead letter is too old any more";
    assert_eq!(mails(&world), [TOLD, over]);
    world.after_minutes(230).await;
    assert_eq!(mails(&world), [TOLD, over]);
    world.after_minutes(20).await;
    assert_eq!(mails(&world), [TOLD, over, TOLD]);
    world.redrives().await;
    world.settles().await;
    world.after_minutes(1).await;
    assert_eq!(mails(&world), [TOLD, over, TOLD, over]);
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_was_not_asked_for() {
    let world = World::new(copying());
    world.destination("share").acts([Act::Fail(Kind::Refused)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.after_minutes(600).await;
    assert!(mails(&world).is_empty());
}
