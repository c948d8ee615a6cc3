//! Servers that reckon digests of what they have.

use qm_core::{Kind, Retry};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use super::front::{Door, Front, Reckons};
use super::world::{connector, content, deliver, delivery, is_delivered};

/// More than is read back from a server that reckons none.
const LARGE_BYTES: usize = 9_000_000;

#[tokio::test]
async fn foreign_digest_of_the_server_verifies_what_was_sent() {
    for (reckons, expect) in [
        (Reckons::Right, "verified by size and SHA-256;"),
        (Reckons::Refusals, "verified by size;"),
        (Reckons::Nothing, "verified by size;"),
    ] {
        let front = Front::start(Door::Password).await;
        front.reckons(reckons);
        let connector = connector(front.config());
        let note = deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
        assert!(note.contains(expect), "{reckons:?}: {note}");
        assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
    }
}

#[tokio::test]
async fn foreign_server_with_other_bytes_gets_no_final_name() {
    let front = Front::start(Door::Password).await;
    front.reckons(Reckons::Wrong);
    let connector = connector(front.config());
    let error = deliver(&connector, "a.csv", b"a;b\n").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Unavailable, Retry::Later)
    );
    let told = error.chain();
    assert!(
        told.contains("the destination holds other bytes") && told.contains("held_sha256="),
        "{told}"
    );
    assert!(!front.file("a.csv").exists());
    front.reckons(Reckons::Right);
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

/// By its size it could be the beginning of the file.
#[tokio::test]
async fn foreign_leftover_with_other_bytes_is_found_out_by_its_digest() {
    let front = Front::start(Door::Password).await;
    front.reckons(Reckons::Right);
    let connector = connector(front.config());
    let bytes = content(LARGE_BYTES);
    let hex: String = delivery("a.csv", &bytes)
        .id
        .to_string()
        .chars()
        .take(8)
        .collect();
    fs::write(
        front.file(&format!(".a.csv.{hex}.part")),
        vec![7; 8_500_000],
    )
    .unwrap();
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(
        note.contains("size and SHA-256") && !note.contains("continued"),
        "{note}"
    );
    assert!(fs::read(front.file("a.csv")).unwrap() == bytes);
    assert_eq!(front.names(), ["a.csv"]);
}

/// Size and time are those of what was delivered.
#[tokio::test]
async fn foreign_other_large_file_of_the_same_size_and_time_is_not_taken_for_it() {
    let front = Front::start(Door::Password).await;
    front.reckons(Reckons::Right);
    let connector = connector(front.config());
    let bytes = content(LARGE_BYTES);
    deliver(&connector, "a.csv", &bytes).await.unwrap();
    let delivery = delivery("a.csv", &bytes);
    assert!(is_delivered(&connector, &delivery).await.unwrap());
    let mut others = bytes;
    others[LARGE_BYTES / 2] ^= 1;
    fs::write(front.file("a.csv"), others).unwrap();
    let seconds = u64::try_from(delivery.version.received_at.as_second()).unwrap();
    let file = File::options()
        .write(true)
        .open(front.file("a.csv"))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
    assert!(!is_delivered(&connector, &delivery).await.unwrap());
}
