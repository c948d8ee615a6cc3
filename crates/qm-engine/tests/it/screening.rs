//! The step `screen`.

use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_core::file_type::FileType;
use qm_core::ports::ledger::Deliveries as _;
use qm_core::screen::{NamePattern, Screen};
use qm_core::template::Template;

use crate::settings::{add_route, config};
use crate::world::World;

fn screening(screen: Screen) -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]).screen = screen;
    config
}

/// Delivered, or rejected for a reason with these words.
async fn check(screen: Screen, name: &str, bytes: &[u8], expect: Result<(), &str>) {
    let world = World::new(screening(screen));
    let path = format!("landing/north/{name}");
    let version = world.arrives_with(&path, bytes).await;
    world.settles().await;
    let delivery = world.delivery_of(version.id).await;
    let share = world.destination("share");
    match expect {
        Ok(()) => {
            assert_eq!(delivery.state, DeliveryState::Delivered, "{delivery:?}");
            assert_eq!(share.landed().len(), 1);
        }
        Err(words) => {
            assert_eq!(delivery.state, DeliveryState::Dead);
            let reason = delivery.last_error.unwrap();
            assert!(reason.contains(words), "{reason}");
            assert_eq!((share.attempts(), delivery.attempts), (0, 1));
            assert_eq!(world.mails("ops").len(), 1);
        }
    }
    assert!(world.hands.done().is_empty(), "it stays where it is");
}

#[tokio::test(start_paused = true)]
async fn names() {
    let screen = || Screen {
        names: vec![
            NamePattern::glob("report-*.csv").unwrap(),
            NamePattern::regex("[0-9]{4}").unwrap(),
        ],
        ..Screen::default()
    };
    check(screen(), "report-1.csv", b"a", Ok(())).await;
    check(screen(), "deep/1234", b"a", Ok(())).await;
    let words = "the file's name does not match";
    check(screen(), "12345", b"a", Err(words)).await;
}

#[tokio::test(start_paused = true)]
async fn sizes() {
    let screen = || Screen {
        min_size_bytes: 2,
        max_size_bytes: Some(3),
        ..Screen::default()
    };
    check(screen(), "a", b"a", Err("fewer than the 2")).await;
    check(screen(), "a", b"aa", Ok(())).await;
    check(screen(), "a", b"aaa", Ok(())).await;
    check(screen(), "a", b"aaaa", Err("more than the 3")).await;
}

#[tokio::test(start_paused = true)]
async fn types() {
    let screen = || Screen {
        types: Some(vec![FileType::parse("csv").unwrap()]),
        ..Screen::default()
    };
    check(screen(), "a.csv", b"ID,name\n", Ok(())).await;
    check(screen(), "a.json", b"{}", Err("type csv")).await;
    let words = "its content is something else";
    check(screen(), "a.csv", b"\x7fELF\x02\x01", Err(words)).await;
    // A route that does not ask for types does not look.
    check(Screen::default(), "a.csv", b"\x7fELF\x02\x01", Ok(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_route_tells_once_that_it_rejects() {
    let none = || Screen {
        max_size_bytes: Some(0),
        ..Screen::default()
    };
    let world = World::new(screening(none()));
    for number in 0..5 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.settles().await;
    assert_eq!(world.mails("ops").len(), 1);
    let body = world.notifier("ops").sent().remove(0).text.body;
    assert!(
        body.contains("delivery list --state dead --route copy"),
        "{body}"
    );
    world.applies(screening(Screen::default()));
    assert_eq!(world.redrives().await, 5);
    world.settles().await;
    world.after_minutes(1).await;
    assert!(world.firing().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_goes_to_quarantine() {
    let world = World::new(screening(Screen {
        max_size_bytes: Some(3),
        quarantine: Some(Template::parse("quarantine/{arrived:%Y}/{key}").unwrap()),
        ..Screen::default()
    }));
    let version = world.arrives_with("landing/north/a.csv", b"long").await;
    world.arrives_with("landing/north/b.csv", b"ok").await;
    world.settles().await;
    let moved = "moved to quarantine/2026/north/a.csv";
    assert_eq!(world.hands.done(), [format!("landing/north/a.csv {moved}")]);
    let delivery = world.delivery_of(version.id).await;
    let attempts = world.ledger.attempts(delivery.id).await.unwrap();
    let last = attempts.last().unwrap().note.as_deref();
    assert_eq!(last, Some(&*format!("{moved}: rejected on route copy")));
    assert_eq!(world.mails("ops").len(), 1);

    // Redriven it is looked at again, and the bytes are found where they are.
    world.applies(screening(Screen::default()));
    world.redrives().await;
    world.settles().await;
    assert_eq!(
        world.destination("share").bytes("north/a.csv").unwrap(),
        "long"
    );
}
