//! What is looked up may name a destination of the configuration: whatever leads there, its own limits
//! hold.

use qm_core::Kind;
use qm_core::config::{BreakerPolicy, Config, Deliver};
use qm_core::delivery::DeliveryState;
use qm_core::ports::ledger::Deliveries as _;
use qm_core::retry::RetryPolicy;
use qm_core::template::Template;
use qm_core::window::{Window, Windows};
use std::time::Duration;
use tokio::time::Instant;

use crate::lookups::{check_dead, secret};
use crate::settings::{add_lookup, add_route, config, destination, limits, settings};
use crate::world::World;

const ARCHIVE: &str = r#"{"kind": "destination", "destination": "archive"}"#;

/// What is looked up may lead to `archive`, where the folder `direct` goes as well.
fn pushing() -> Config {
    let mut config = config();
    add_route(&mut config, "keep", "landing/direct/**", &["archive"]);
    let route = add_lookup(&mut config, "push", "landing/to/*/**");
    route.retry = RetryPolicy::pauses(vec![Duration::from_secs(1); 50]);
    if let Deliver::LookUp(lookup) = &mut route.deliver {
        lookup.name = Template::parse("push/{path.1}").unwrap();
        lookup.destinations = vec![destination("archive")];
    }
    config
}

fn closed(config: &mut Config) {
    let times = vec![Window::parse("daily 11:30-12:30").unwrap()];
    limits(config, "archive").closed = Some(Windows::new("Europe/Dublin", times).unwrap());
}

/// Three partners that lead to `archive`, and one with a server of its own.
fn world_of(config: Config) -> World {
    let world = World::new(config);
    for partner in ["north", "south", "west"] {
        world.doors.keeps(&format!("push/{partner}"), ARCHIVE);
    }
    world.doors.keeps("push/east", &secret("one.test", ""));
    world
}

#[tokio::test(start_paused = true)]
async fn all_that_leads_there_is_within_its_concurrency() {
    let mut config = pushing();
    limits(&mut config, "archive").concurrency = 2;
    let world = world_of(config);
    for number in 0..3 {
        for folder in ["direct", "to/north", "to/south", "to/west", "to/east"] {
            let path = format!("landing/{folder}/{number}.csv");
            world.arrives(&path).await;
        }
    }
    let (archive, own) = (world.destination("archive"), world.destination("one.test"));
    archive.hold();
    world
        .runs_until(|_| archive.attempts() == 2 && own.landed().len() == 3)
        .await;
    for _ in 0..20 {
        world.pass("deliver").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!((archive.attempts(), archive.at_once_max()), (2, 2));
    archive.release();
    world.settles().await;
    assert_eq!((archive.landed().len(), archive.at_once_max()), (12, 2));
    for row in world.table().await {
        assert!(row.ends_with("delivered 1"), "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_leads_there_is_begun_while_it_is_closed() {
    let mut config = pushing();
    closed(&mut config);
    let world = world_of(config);
    let first = world.arrives("landing/to/north/a.csv").await;
    world.arrives("landing/to/east/a.csv").await;
    world.settles().await;
    let second = world.arrives("landing/to/north/b.csv").await;
    world.settles().await;
    let archive = world.destination("archive");
    assert_eq!(archive.attempts(), 0);
    assert_eq!(world.destination("one.test").landed().len(), 1);
    // Once it is known where they lead, none is begun in vain.
    for (version, lines) in [(first, 1), (second, 0)] {
        let delivery = world.delivery_of(version.id).await;
        assert_eq!((delivery.state.as_str(), delivery.attempts), ("waiting", 0));
        let attempts = world.ledger.attempts(delivery.id).await.unwrap();
        assert_eq!(attempts.len(), lines, "{attempts:?}");
        let leads = |note: &str| note.contains("leads to destination `archive`");
        assert!(
            attempts
                .iter()
                .all(|a| a.note.as_deref().is_some_and(leads))
        );
    }
    world.it_is("2026-11-20T12:30:00Z").await;
    assert_eq!(archive.landed().len(), 2);
    for row in world.table().await {
        assert!(row.ends_with("delivered 1"), "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_counts_there_as_well() {
    let mut config = pushing();
    let mut world = world_of(config.clone());
    let archive = world.destination("archive");
    archive.hold();
    world.arrives("landing/to/north/a.csv").await;
    world.runs_until(|_| archive.attempts() == 1).await;
    closed(&mut config);
    world.applies(config);
    world.restarts();
    archive.release();
    world.settles().await;
    world.after_minutes(1).await;
    assert_eq!((archive.questions(), archive.landed().len()), (0, 0));
    world.it_is("2026-11-20T12:30:00Z").await;
    assert_eq!((archive.questions(), archive.landed().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn when_it_fails_one_tries_of_all_that_lead_there() {
    let mut config = pushing();
    let there = limits(&mut config, "archive");
    there.concurrency = 1;
    there.breaker = BreakerPolicy {
        failures: 3,
        pause: Duration::from_mins(10),
    };
    let world = world_of(config);
    let archive = world.destination("archive");
    archive.set_down(Some(Kind::Unavailable));
    for number in 0..2 {
        for partner in ["north", "south", "west", "east"] {
            let path = format!("landing/to/{partner}/{number}.csv");
            world.arrives(&path).await;
        }
    }
    world.settles().await;
    assert_eq!(archive.attempts(), 3);
    assert_eq!(world.destination("one.test").landed().len(), 2);
    world.after_minutes(10).await;
    assert_eq!(archive.attempts(), 4, "one tries");
    archive.set_down(None);
    world.after_minutes(10).await;
    assert_eq!(archive.landed().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn its_bandwidth_is_shared_by_all_that_leads_there() {
    let mut config = pushing();
    limits(&mut config, "archive").bytes_per_second = Some(64 * 1024);
    let world = world_of(config);
    let began = Instant::now();
    for partner in ["north", "south"] {
        let path = format!("landing/to/{partner}/a.csv");
        world.arrives_with(&path, &vec![b'x'; 128 * 1024]).await;
    }
    world.settles().await;
    assert_eq!(world.destination("archive").landed().len(), 2);
    // Four chunks of a second each, the first of them at once; timers count in milliseconds.
    let took = began.elapsed().as_millis();
    assert!((3_000..3_100).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn the_name_there_is_the_destinations_unless_whoever_was_looked_up_says_another() {
    let mut config = pushing();
    settings(&mut config, "archive").name = Some(Template::parse("{path.1}/{name}").unwrap());
    let world = world_of(config);
    let named = ARCHIVE.replace('}', r#", "remote_name": "{stem}-2.csv", "names": "*.csv"}"#);
    world.doors.keeps("push/south", &named);
    world.arrives("landing/to/north/in/a.csv").await;
    world.arrives("landing/to/south/b.csv").await;
    let other = world.arrives("landing/to/south/b.txt").await;
    world.settles().await;
    let archive = world.destination("archive");
    assert!(archive.bytes("north/a.csv").is_some());
    assert!(archive.bytes("b-2.csv").is_some());
    assert_eq!(archive.landed().len(), 2);
    let words = "the destination that was looked up takes: the file's name does not match *.csv";
    check_dead(&world.delivery_of(other.id).await, words);
}

/// As it is at the next attempt, and whatever was known before.
#[tokio::test(start_paused = true)]
async fn it_may_lead_elsewhere_and_back() {
    let world = world_of(pushing());
    let says = |text: &str| world.doors.keeps("push/north", text);
    let own = secret("two.test", "");
    for (number, text) in [ARCHIVE, own.as_str(), ARCHIVE].into_iter().enumerate() {
        says(text);
        let path = format!("landing/to/north/{number}.csv");
        let version = world.arrives(&path).await;
        world.settles().await;
        let delivery = world.delivery_of(version.id).await;
        assert_eq!(delivery.state, DeliveryState::Delivered, "{delivery:?}");
        assert_eq!(delivery.attempts, 1);
    }
    assert_eq!(world.destination("archive").landed().len(), 2);
    assert_eq!(world.destination("two.test").landed().len(), 1);
}
