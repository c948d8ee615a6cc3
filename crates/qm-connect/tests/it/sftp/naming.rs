//! How a file gets its final name on servers that offer less.

use qm_core::temp_name::is_temp;
use qm_core::{Kind, Retry};
use std::fs;

use super::front::{Act, At, Door, Front};
use super::sshd::Sshd;
use super::world::{connector, deliver, delivery, is_delivered};

#[tokio::test]
async fn foreign_server_without_extensions() {
    let sshd = Sshd::with("-P posix-rename,fsync,limits", &["ed25519"]);
    let connector = connector(sshd.config());
    let bytes = super::world::content(1_000_000);
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(
        note.contains("named by rename, for the server has no posix-rename"),
        "{note}"
    );
    assert!(sshd.read("a.csv") == bytes);
    // OpenSSH's plain RENAME refuses a name that is taken.
    let note = deliver(&connector, "a.csv", b"newer").await.unwrap();
    assert!(note.contains("named by removal and rename"), "{note}");
    assert_eq!(sshd.read("a.csv"), b"newer");
    assert_eq!(sshd.names(), ["a.csv"]);
}

#[tokio::test]
async fn foreign_server_that_takes_no_times() {
    let sshd = Sshd::with("-P setstat,fsetstat", &["ed25519"]);
    let connector = connector(sshd.config());
    deliver(&connector, "a.csv", b"x").await.unwrap();
    assert_eq!(sshd.read("a.csv"), b"x");
    // Nothing tells it from an older file of that size: better twice than never.
    assert!(
        !is_delivered(&connector, &delivery("a.csv", b"x"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn foreign_rename_that_is_not_permitted_is_tried_again() {
    let sshd = Sshd::with("-P posix-rename,rename", &["ed25519"]);
    let connector = connector(sshd.config());
    let error = deliver(&connector, "a.csv", b"x").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Refused, Retry::Later),
        "{error:?}"
    );
    assert!(error.chain().contains("Permission denied"), "{error:?}");
    let left = sshd.names();
    assert!(left.len() == 1 && is_temp(&left[0], &[]), "{left:?}");
}

#[tokio::test]
async fn foreign_rename_that_fails_is_told_in_the_servers_words() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    front.once(
        At::Extension("posix-rename"),
        Act::Refuse("quota\n exceeded"),
    );
    let error = deliver(&connector, "a.csv", b"x").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Refused, Retry::Later)
    );
    assert!(error.chain().contains("quota"), "{error:?}");
    assert!(!error.chain().contains('\n'), "{error:?}");
    // What was sent is taken up, and the session was not lost.
    deliver(&connector, "a.csv", b"x").await.unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

#[tokio::test]
async fn foreign_name_that_is_a_folder_is_told() {
    let sshd = Sshd::start();
    fs::create_dir_all(sshd.files().join("a.csv/deep")).unwrap();
    let error = deliver(&connector(sshd.config()), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
    assert!(sshd.files().join("a.csv/deep").is_dir());
}
