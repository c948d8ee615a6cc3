use qm_core::ports::connector::Connector as _;
use qm_core::{Error, Kind, Retry};
use qm_testkit::outside::{ClosedFence, MemoryContent};
use std::fs;
use std::os::unix::fs::symlink;

use crate::share::{Share, WatchedContent, delivery, ended, shipment};

const BYTES: &[u8] = b"ID,name\n1,tea\n";

#[track_caller]
fn check(error: &Error, kind: Kind, retry: Retry, words: &str) {
    let chain = error.chain();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (kind, retry),
        "{chain}"
    );
    assert!(chain.contains(words), "{words:?} missing in {chain}");
}

#[tokio::test]
async fn a_missing_folder_is_tried_again_and_the_log_says_where() {
    let share = Share::new();
    fs::remove_dir(&share.root).unwrap();
    let error = share.deliver("a.csv", BYTES).await.unwrap_err();
    check(
        &error,
        Kind::Unavailable,
        Retry::Later,
        &format!("[folder={}]", share.root.display()),
    );
    assert!(error.chain().contains("mount the share"));
    let asked = share
        .connector()
        .is_delivered(&shipment(&delivery("a.csv", BYTES)))
        .await;
    assert_eq!(asked.unwrap_err().kind(), Kind::Unavailable);

    fs::create_dir(&share.root).unwrap();
    share.deliver("a.csv", BYTES).await.unwrap();
}

#[tokio::test]
async fn other_bytes_than_those_received_never_show() {
    let share = Share::new();
    share.deliver("a.csv", b"old").await.unwrap();
    let delivery = delivery("a.csv", BYTES);
    for wrong in [
        &b"ID,name\n1,pea\n"[..],
        b"",
        b"ID,name\n",
        b"ID,name\n1,tea\n2,more\n",
    ] {
        let content = MemoryContent::new(wrong.to_vec());
        let error = share
            .deliver_content(&delivery, &content)
            .await
            .unwrap_err();
        check(&error, Kind::Bug, Retry::Later, "nothing was delivered");
        assert_eq!(fs::read(share.path("a.csv")).unwrap(), b"old");
        assert_eq!(share.names(), ["a.csv"]);
    }
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing() {
    let share = Share::new();
    let bytes = vec![1; 3 * 1024 * 1024];
    let content = WatchedContent {
        bytes: MemoryContent::new(bytes.clone()),
        must_not_exist: share.path("a.bin"),
        breaks_at: Some(1024 * 1024),
    };
    let delivery = delivery("a.bin", &bytes);
    let error = share
        .deliver_content(&delivery, &content)
        .await
        .unwrap_err();
    check(&error, Kind::Unavailable, Retry::Later, "the disk broke");
    assert_eq!(share.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_newer_version_that_was_first_stays() {
    let share = Share::new();
    share.deliver("a.csv", b"newer").await.unwrap();
    let content = MemoryContent::new(BYTES);
    let late = delivery("a.csv", BYTES);
    let outcome = share
        .connector()
        .deliver(&shipment(&late), &content, &ClosedFence)
        .await;
    check(
        &ended(outcome).unwrap_err(),
        Kind::Conflict,
        Retry::Never,
        "newer",
    );
    assert_eq!(fs::read(share.path("a.csv")).unwrap(), b"newer");
    assert_eq!(share.names(), ["a.csv"]);
}

#[tokio::test]
async fn no_link_is_followed() {
    let share = Share::new();
    let outside = share.outside();
    fs::write(outside.join("precious"), b"precious").unwrap();
    symlink(&outside, share.path("folder")).unwrap();
    symlink(outside.join("precious"), share.path("file.csv")).unwrap();
    symlink(outside.join("nothing"), share.path("dangling.csv")).unwrap();
    symlink(".", share.path("loop")).unwrap();
    for target in [
        "folder/a.csv",
        "folder/new/a.csv",
        "file.csv",
        "dangling.csv",
        "loop/a.csv",
    ] {
        let error = share.deliver(target, BYTES).await.unwrap_err();
        check(
            &error,
            Kind::Refused,
            Retry::Never,
            "links are not followed",
        );
        let asked = share
            .connector()
            .is_delivered(&shipment(&delivery(target, BYTES)))
            .await;
        assert_eq!(asked.unwrap_err().kind(), Kind::Refused, "{target}");
    }
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(
        share.names(),
        ["dangling.csv", "file.csv", "folder", "loop"]
    );
}

#[tokio::test]
async fn the_folder_itself_may_be_reached_through_a_link() {
    let mut share = Share::new();
    let link = share.root.with_file_name("link");
    symlink(&share.root, &link).unwrap();
    share.config.folder = link;
    share.deliver("in/a.csv", BYTES).await.unwrap();
    assert_eq!(fs::read(share.path("in/a.csv")).unwrap(), BYTES);
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let share = Share::new();
    fs::create_dir_all(share.path("taken.csv/deep")).unwrap();
    fs::write(share.path("plain"), b"x").unwrap();
    for (target, words) in [
        ("taken.csv", "a folder at the destination has the name"),
        ("plain/a.csv", "a file is in the way"),
        ("plain/b/a.csv", "a file is in the way"),
    ] {
        let error = share.deliver(target, BYTES).await.unwrap_err();
        check(&error, Kind::Refused, Retry::Never, words);
    }
    assert_eq!(share.names(), ["plain", "taken.csv/", "taken.csv/deep/"]);
}

#[tokio::test]
async fn a_target_that_is_no_name_is_refused() {
    let share = Share::new();
    let outside = share.outside();
    for target in [
        "../outside/a.csv",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "",
        "a\0b",
    ] {
        let error = share.deliver(target, BYTES).await.unwrap_err();
        check(
            &error,
            Kind::Refused,
            Retry::Never,
            "not one the destination",
        );
    }
    assert_eq!(share.names(), Vec::<String>::new());
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}
