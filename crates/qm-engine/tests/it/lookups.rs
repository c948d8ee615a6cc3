//! Destinations that are found in a secret store by the object's path.

use parking_lot::Mutex;
use qm_core::Kind;
use qm_core::config::{AfterDelivery, Config, Deliver};
use qm_core::delivery::DeliveryState;
use qm_core::id::RouteName;
use qm_core::ports::ledger::{Alerts as _, Deliveries as _};
use qm_core::retry::RetryPolicy;
use qm_core::template::Template;
use qm_testkit::outside::Act;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

use crate::settings::{add_lookup, config, notifier};
use crate::world::World;

/// What no row, message or line of the log may show.
const CANARY: &str = "hunter2-canary";

pub(crate) fn pushing() -> Config {
    let mut config = config();
    add_lookup(&mut config, "push", "landing/*/**").alert = vec![notifier("ops")];
    config
}

pub(crate) fn secret(host: &str, more: &str) -> String {
    let pin = format!("SHA256:{}", "A".repeat(43));
    format!(
        r#"{{"host": "{host}", "username": "north", "password": "{CANARY}", "known_hosts": "{pin}"{more}}}"#
    )
}

/// Lets a file arrive and looks at its dead letter.
#[track_caller]
pub(crate) fn check_dead(delivery: &qm_core::delivery::Delivery, words: &str) {
    assert_eq!(delivery.state, DeliveryState::Dead, "{delivery:?}");
    assert_eq!(delivery.attempts, 1);
    let reason = delivery.last_error.as_deref().unwrap();
    assert!(reason.contains(words), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn each_folder_has_its_own_server() {
    let world = World::new(pushing());
    for (name, host) in [("push/north", "one.test"), ("push/south", "two.test")] {
        world.doors.keeps(name, &secret(host, ""));
    }
    world.arrives("landing/north/in/a.csv").await;
    world.arrives("landing/south/b.csv").await;
    world.settles().await;
    let one = world.destination("one.test");
    assert_eq!(one.bytes("in/a.csv").unwrap(), "landing/north/in/a.csv");
    assert!(world.destination("two.test").bytes("b.csv").is_some());
    assert_eq!(
        world.table().await,
        [
            "landing/north/in/a.csv push/push/north delivered 1",
            "landing/south/b.csv push/push/south delivered 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_or_untagged_one_is_a_dead_letter_at_once() {
    let mut config = pushing();
    let route = config.routes.get_mut(&RouteName::parse("push").unwrap());
    route.unwrap().after = AfterDelivery::Delete;
    let world = World::new(config);
    world.doors.keeps("push/south", &secret("two.test", ""));
    world.doors.untags("push/south");
    let unknown = world.arrives("landing/north/a.csv").await;
    let untagged = world.arrives("landing/south/a.csv").await;
    world.settles().await;
    let words = "there is no secret `push/north`";
    check_dead(&world.delivery_of(unknown.id).await, words);
    check_dead(&world.delivery_of(untagged.id).await, "is not tagged");
    // The route is told of once, while any of its dead letters is left.
    assert_eq!(world.mails("ops").len(), 1);
    assert_eq!(world.firing().await[0].key, "lookup:push");
    assert!(world.hands.done().is_empty(), "the files stay");
    assert_eq!(world.destination("two.test").attempts(), 0);

    world.doors.keeps("push/north", &secret("one.test", ""));
    world.redrives().await;
    world.settles().await;
    assert_eq!(world.destination("one.test").landed().len(), 1);
    assert_eq!(world.mails("ops").len(), 1);

    world.doors.keeps("push/south", &secret("one.test", ""));
    world.redrives().await;
    world.settles().await;
    world.after_minutes(1).await;
    assert!(world.firing().await.is_empty());
    assert_eq!(
        world.hands.done(),
        ["landing/north/a.csv removed", "landing/south/a.csv removed"]
    );
    world.arrives("landing/west/a.csv").await;
    world.after_minutes(1).await;
    assert_eq!(world.mails("ops").len(), 2, "it is told of anew");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_replaced_counts_from_the_next_attempt_on() {
    let world = World::new(pushing());
    world.doors.keeps("push/north", &secret("one.test", ""));
    world
        .destination("one.test")
        .acts([Act::Fail(Kind::Timeout)]);
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.doors.keeps("push/north", &secret("two.test", ""));
    world.after_minutes(1).await;
    assert_eq!(world.destination("one.test").landed().len(), 0);
    assert_eq!(world.destination("two.test").landed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_asked_again() {
    let world = World::new(pushing());
    world.doors.keeps("push/north", &secret("one.test", ""));
    world.doors.set_store_down(Some(Kind::Unavailable));
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    world.doors.set_store_down(None);
    world.after_minutes(1).await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv push/push/north delivered 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_was_looked_up_says_which_names_and_under_which() {
    let world = World::new(pushing());
    let more = r#", "pattern": "*.csv", "remote_name": "{stem}_{arrived:%Y}.{extension}""#;
    world.doors.keeps("push/north", &secret("one.test", more));
    world.arrives("landing/north/a.csv").await;
    let other = world.arrives("landing/north/a.txt").await;
    world.settles().await;
    let landed = world.destination("one.test").landed();
    assert_eq!((landed.len(), landed[0].target.as_str()), (1, "a_2026.csv"));
    let words = "the destination that was looked up takes: the file's name does not match *.csv";
    check_dead(&world.delivery_of(other.id).await, words);
}

#[tokio::test(start_paused = true)]
async fn each_partner_may_have_a_retry_policy_of_its_own() {
    let mut config = config();
    for (partner, minutes) in [("north", &[5][..]), ("south", &[1, 2])] {
        let pauses = minutes.iter().copied().map(Duration::from_mins).collect();
        let arrives = format!("landing/{partner}/**");
        add_lookup(&mut config, partner, &arrives).retry = RetryPolicy::pauses(pauses);
    }
    let world = World::new(config);
    for (name, host) in [("push/north", "one.test"), ("push/south", "two.test")] {
        world.doors.keeps(name, &secret(host, ""));
        let fails = || Act::Fail(Kind::Unavailable);
        world.destination(host).acts([fails(), fails(), fails()]);
    }
    world.arrives("landing/north/a.csv").await;
    world.arrives("landing/south/b.csv").await;
    world.settles().await;
    world.after_minutes(1).await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv north/push/north waiting 1",
            "landing/south/b.csv south/push/south waiting 2"
        ]
    );
    world.after_minutes(4).await;
    assert_eq!(
        world.table().await,
        [
            "landing/north/a.csv north/push/north dead 2",
            "landing/south/b.csv south/push/south dead 3"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_made_is_a_dead_letter_that_says_so() {
    let mut config = pushing();
    let route = config.routes.get_mut(&RouteName::parse("push").unwrap());
    if let Deliver::LookUp(lookup) = &mut route.unwrap().deliver {
        lookup.name = Template::parse("push/{partner}").unwrap();
    }
    let world = World::new(config);
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    check_dead(&delivery, "no name could be made");
    assert_eq!(world.mails("ops").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_does_not_look_up_any_more_says_so() {
    let world = World::new(pushing());
    world.doors.set_store_down(Some(Kind::Unavailable));
    let version = world.arrives("landing/north/a.csv").await;
    world.settles().await;
    let mut without = pushing();
    without.routes.clear();
    world.applies(without);
    world.after_minutes(1).await;
    let delivery = world.delivery_of(version.id).await;
    assert_eq!(delivery.state, DeliveryState::Dead);
    let reason = delivery.last_error.unwrap();
    assert!(reason.contains("route `push` is not in"), "{reason}");
}

/// The log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_gets_into_rows_messages_or_the_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // Of all threads: beside one of this thread alone, others may have it decided that nothing is logged.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::new(pushing());
    let texts = [
        secret("one.test", ""),
        CANARY.to_owned(),
        format!(r#"{{"host": ["{CANARY}"]}}"#),
        format!(r#"{{"host": "one.test", "username": "x", "password": ["{CANARY}"]}}"#),
        secret(
            "two.test",
            &format!(r#", "pattern": "({CANARY}", "pattern_type": "regex""#),
        ),
        secret("two.test", "").replace("SHA256:", CANARY),
        secret("two.test", ", "),
    ];
    for (number, text) in texts.iter().enumerate() {
        world.doors.keeps(&format!("push/{number}"), text);
        world.arrives(&format!("landing/{number}/a.csv")).await;
    }
    world
        .destination("one.test")
        .acts([Act::Fail(Kind::Unauthenticated)]);
    world.settles().await;
    let table = world.table().await;
    assert_eq!(table.len(), texts.len());
    for row in &table {
        assert!(row.ends_with("dead 1"), "{row}");
    }

    let mut shown = vec![format!("{:?}", world.deliveries().await)];
    for delivery in world.deliveries().await {
        let attempts = world.ledger.attempts(delivery.id).await;
        shown.push(format!("{attempts:?}"));
    }
    shown.push(format!("{:?}", world.ledger.alerts(1000).await));
    shown.push(format!("{:?}", world.ledger.notifications(1000).await));
    shown.push(String::from_utf8(log.0.lock().clone()).unwrap());
    let shown = shown.concat();
    assert!(shown.contains("delivery failed"), "the log was not seen");
    assert!(!shown.contains(CANARY), "{shown}");
}

/// One name is made of two files: they are sent one after the other, and the newer one is there.
#[tokio::test(start_paused = true)]
async fn files_that_have_one_name_there_are_serial() {
    let world = World::new(pushing());
    let named = r#", "remote_name": "today.csv""#;
    world.doors.keeps("push/north", &secret("one.test", named));
    let server = world.destination("one.test");
    server.hold();
    for name in ["a.csv", "b.csv", "c.csv"] {
        world.arrives(&format!("landing/north/{name}")).await;
    }
    world
        .runs_until(|world| world.destination("one.test").attempts() == 1)
        .await;
    for _ in 0..5 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(server.attempts(), 1);
    server.release();
    world.settles().await;
    assert_eq!(server.at_once_max(), 1);
    assert_eq!(server.landed().len(), 3);
    assert_eq!(server.bytes("today.csv").unwrap(), "landing/north/c.csv");
    let deliveries = world.deliveries().await;
    assert!(
        deliveries
            .iter()
            .all(|d| d.target == "today.csv" && d.attempts == 1)
    );
}
