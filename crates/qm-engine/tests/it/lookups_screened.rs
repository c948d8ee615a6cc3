//! What whoever was looked up says of the files that it takes, and where they go.

use qm_core::delivery::DeliveryState;
use qm_core::screen::Screen;
use qm_core::template::Template;

use crate::lookups::{check_dead, pushing, secret};
use crate::settings::{add_lookup, config};
use crate::world::World;

/// Delivered, or rejected for a reason with these words: by the route's screen, the secret's, or
/// neither.
async fn check_screened(route: Screen, more: &str, bytes: &[u8], expect: Result<(), &str>) {
    let mut config = config();
    add_lookup(&mut config, "push", "landing/*/**").screen = Screen {
        quarantine: Some(Template::parse("rejected/{key}").unwrap()),
        ..route
    };
    let world = World::new(config);
    world.doors.keeps("push/north", &secret("one.test", more));
    let version = world.arrives_with("landing/north/a.csv", bytes).await;
    world.settles().await;
    let (server, delivery) = (
        world.destination("one.test"),
        world.delivery_of(version.id).await,
    );
    match expect {
        Ok(()) => {
            assert_eq!(delivery.state, DeliveryState::Delivered, "{delivery:?}");
            assert_eq!(server.landed().len(), 1);
            assert!(world.hands.done().is_empty());
        }
        Err(words) => {
            check_dead(&delivery, words);
            assert_eq!(server.attempts(), 0);
            let moved = "landing/north/a.csv moved to rejected/north/a.csv";
            assert_eq!(world.hands.done(), [moved], "as the route says");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_must_pass_the_route_and_whoever_was_looked_up() {
    let any = Screen::default;
    let large = || Screen {
        min_size_bytes: 3,
        ..Screen::default()
    };
    let there = "the destination that was looked up takes: ";
    let (small, csv) = (r#", "max_size": 4"#, r#", "types": ["csv"]"#);
    check_screened(large(), small, b"a,b", Ok(())).await;
    let words = format!("{there}the file has 5 bytes, more than the 4");
    check_screened(large(), small, b"a,b,c", Err(&words)).await;
    let words = "the file has 2 bytes, fewer than the 3";
    check_screened(large(), small, b"a,", Err(words)).await;
    let words = format!("{there}the file has 3 bytes, fewer than the 1024");
    check_screened(any(), r#", "min_size": "1KiB""#, b"a,b", Err(&words)).await;
    let names = r#", "names": "b.*", "regex": ["[b-z].csv", "a.txt"]"#;
    let words = format!("{there}the file's name does not match b.* or /[b-z].csv/ or /a.txt/");
    check_screened(any(), names, b"a,b", Err(&words)).await;
    let names = r#", "names": "b.*", "regex": ["[b-z].csv", "a.csv"]"#;
    check_screened(any(), names, b"a,b", Ok(())).await;

    check_screened(any(), csv, b"a,b", Ok(())).await;
    let words = format!("{there}only files of type xls are sent");
    check_screened(any(), r#", "types": "xls""#, b"a,b", Err(&words)).await;
    let words = format!("{there}this file is called .csv but its content is something else");
    check_screened(any(), csv, b"\x7fELF\x02\x01", Err(&words)).await;
    check_screened(any(), "", b"\x7fELF\x02\x01", Ok(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_looked_up_screen_that_was_mended_counts_at_the_redrive() {
    let world = World::new(pushing());
    let kept = |more: &str| world.doors.keeps("push/north", &secret("one.test", more));
    kept(r#", "max_size": 1"#);
    let version = world.arrives_with("landing/north/a.csv", b"a,b").await;
    world.settles().await;
    check_dead(&world.delivery_of(version.id).await, "more than the 1 ");
    assert_eq!(world.firing().await[0].key, "screened:push");
    kept(r#", "max_size": 3"#);
    world.redrives().await;
    world.settles().await;
    assert_eq!(world.destination("one.test").landed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_folder_may_lead_to_a_server_and_another_to_a_bucket() {
    let world = World::new(pushing());
    let bucket =
        r#"{"kind": "bucket", "url": "s3://south-in/x", "remote_name": "{arrived:%Y}/{name}"}"#;
    world.doors.keeps("push/north", &secret("one.test", ""));
    world.doors.keeps("push/south", bucket);
    world.arrives("landing/north/a.csv").await;
    world.arrives("landing/south/b.csv").await;
    world.settles().await;
    assert!(world.destination("one.test").bytes("a.csv").is_some());
    assert!(world.destination("south-in").bytes("2026/b.csv").is_some());
}
