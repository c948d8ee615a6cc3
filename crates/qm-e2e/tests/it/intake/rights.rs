//! Rights that several requests together must not get around.

use super::{CREATE, Desk, RESUME, WriteOptions, chunk, path};
use qm_core::Kind;
use qm_core::account::Verb;
use qm_core::ports::mailbox::Existing;

#[track_caller]
fn refused<T>(result: qm_core::Result<T>) {
    assert_eq!(
        result.map(|_| ()).map_err(|error| error.kind()),
        Err(Kind::Refused)
    );
}

#[tokio::test]
async fn a_handle_for_writing_does_not_read_without_the_right() {
    let desk = Desk::that_may(&[Verb::Write, Verb::Overwrite], None).await;
    desk.put("a", "secret").await.unwrap();
    refused(
        desk.open(
            "a",
            WriteOptions {
                read: true,
                ..RESUME
            },
        )
        .await,
    );
    let mut blind = desk.open("a", RESUME).await.unwrap();
    refused(blind.read(0, 100).await);
    let mut own = desk
        .open(
            "b",
            WriteOptions {
                read: true,
                ..CREATE
            },
        )
        .await
        .unwrap();
    own.write(vec![chunk(0, "own bytes")]).await.unwrap();
    assert_eq!(&own.read(0, 3).await.unwrap()[..], b"own");
}

#[tokio::test]
async fn renaming_to_a_temp_name_is_no_way_to_delete() {
    let desk = Desk::that_may(&[Verb::Write, Verb::Rename], None).await;
    desk.put("a.csv", "kept").await.unwrap();
    refused(
        desk.mailbox
            .rename(&path("a.csv"), &path("a.csv.tmp"), Existing::Refuse)
            .await,
    );
    refused(desk.mailbox.remove(&path("a.csv")).await);
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some("kept"));
}

#[tokio::test]
async fn without_overwrite_nothing_is_replaced_by_any_way() {
    let desk = Desk::that_may(&[Verb::Write, Verb::Rename], None).await;
    desk.put("a.csv", "first").await.unwrap();
    desk.put("b.csv", "other").await.unwrap();
    refused(desk.put("a.csv", "second").await);
    refused(desk.put("a.csv.tmp", "second").await);
    refused(
        desk.mailbox
            .rename(&path("b.csv"), &path("a.csv"), Existing::Replace)
            .await,
    );
    // A handle that was opened while the name was free.
    let mut early = desk.open("c.csv", CREATE).await.unwrap();
    early.write(vec![chunk(0, "early")]).await.unwrap();
    desk.put("c.csv", "first").await.unwrap();
    assert_eq!(
        early.commit().await.unwrap_err().kind(),
        Kind::AlreadyExists
    );
    assert_eq!(desk.on_disk("c.csv").as_deref(), Some("first"));
}

#[tokio::test]
async fn the_content_that_counts_is_the_one_that_is_renamed() {
    let desk = Desk::that_may(&Verb::ALL, Some(&["csv", "json"])).await;
    desk.put("a.json.tmp", "{\"a\": ").await.unwrap();
    refused(
        desk.mailbox
            .rename(&path("a.json.tmp"), &path("a.json"), Existing::Replace)
            .await,
    );
    desk.mailbox
        .rename(&path("a.json.tmp"), &path("a.csv"), Existing::Replace)
        .await
        .unwrap();
    refused(desk.put("b.csv", "MZ\0\0").await);
    refused(desk.put("b.exe.tmp", "MZ").await);
    assert_eq!(desk.arrivals().await, 1);
}

#[tokio::test]
async fn what_cannot_land_leaves_no_trace() {
    let desk = Desk::all().await;
    desk.put("a.csv", "text").await.unwrap();
    let nowhere = desk
        .mailbox
        .rename(&path("a.csv"), &path("no/where.csv"), Existing::Refuse)
        .await;
    assert_eq!(nowhere.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(desk.arrivals().await, 1);
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some("text"));
}

#[tokio::test]
async fn a_file_that_somebody_put_there_can_be_removed_and_renamed() {
    let desk = Desk::all().await;
    desk.put("a.csv", "ours").await.unwrap();
    std::fs::write(desk.folder.path().join("foreign"), "theirs").unwrap();
    std::fs::rename(
        desk.folder.path().join("foreign"),
        desk.folder.path().join("a.csv"),
    )
    .unwrap();
    desk.mailbox
        .rename(&path("a.csv"), &path("b.csv"), Existing::Refuse)
        .await
        .unwrap();
    assert_eq!(desk.on_disk("b.csv").as_deref(), Some("theirs"));
    desk.mailbox.remove(&path("b.csv")).await.unwrap();
    assert_eq!(desk.on_disk("b.csv"), None);
}
