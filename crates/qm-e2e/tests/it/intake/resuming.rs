//! Uploads that break off.

use super::{CREATE, Desk, RESUME, chunk, path};
use qm_core::Kind;

async fn broken_off(desk: &Desk, name: &str, chunks: &[(u64, &str)]) {
    let mut upload = desk.open(name, CREATE).await.unwrap();
    upload
        .write(
            chunks
                .iter()
                .map(|(offset, text)| chunk(*offset, text))
                .collect(),
        )
        .await
        .unwrap();
    upload.abandon().await;
}

#[tokio::test]
async fn what_broke_off_is_continued_and_arrives_once() {
    let desk = Desk::all().await;
    broken_off(&desk, "a", &[(0, "hello ")]).await;
    assert_eq!(desk.on_disk("a"), None);
    assert_eq!(desk.mailbox.stat(&path("a")).await.unwrap().size_bytes, 6);
    let mut resumed = desk.open("a", RESUME).await.unwrap();
    resumed.write(vec![chunk(6, "world")]).await.unwrap();
    resumed.commit().await.unwrap();
    assert_eq!(desk.on_disk("a").as_deref(), Some("hello world"));
    assert_eq!(desk.arrivals().await, 1);
}

#[tokio::test]
async fn what_lies_behind_a_hole_is_not_continued() {
    let desk = Desk::all().await;
    broken_off(&desk, "a", &[(0, "hello "), (1 << 30, "far away")]).await;
    assert_eq!(desk.mailbox.stat(&path("a")).await.unwrap().size_bytes, 6);
    let mut resumed = desk.open("a", RESUME).await.unwrap();
    resumed
        .write(vec![chunk((1 << 30) + 8, "x")])
        .await
        .unwrap();
    assert_eq!(resumed.commit().await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(desk.on_disk("a"), None);
}

#[tokio::test]
async fn half_a_file_is_not_published_by_opening_and_closing_it() {
    let desk = Desk::all().await;
    broken_off(&desk, "a", &[(0, "half")]).await;
    for _ in 0..2 {
        desk.open("a", RESUME)
            .await
            .unwrap()
            .commit()
            .await
            .unwrap();
        assert_eq!(desk.on_disk("a"), None);
        assert_eq!(
            desk.mailbox.stat(&path("a")).await.unwrap().size_bytes,
            4,
            "still to be continued"
        );
    }
    assert_eq!(desk.arrivals().await, 0);
}

#[tokio::test]
async fn a_file_that_is_there_is_not_mixed_with_what_broke_off() {
    let desk = Desk::all().await;
    desk.put("a", "first").await.unwrap();
    broken_off(&desk, "a", &[(0, "sec")]).await;
    assert_eq!(desk.on_disk("a").as_deref(), Some("first"));
    let options = super::WriteOptions {
        append: true,
        ..RESUME
    };
    let mut appending = desk.open("a", options).await.unwrap();
    appending.write(vec![chunk(0, " and more")]).await.unwrap();
    appending.commit().await.unwrap();
    assert_eq!(desk.on_disk("a").as_deref(), Some("first and more"));
}

#[tokio::test]
async fn the_first_write_decides_what_becomes_of_the_file_that_is_there() {
    for (offset, text, expected) in [
        (0, "new", "new"),
        (5, "+tail", "first+tail"),
        (1, "IR", "fIRst"),
        (9, "hole", "first"),
    ] {
        let desk = Desk::all().await;
        desk.put("a", "first").await.unwrap();
        let mut upload = desk.open("a", RESUME).await.unwrap();
        upload.write(vec![chunk(offset, text)]).await.unwrap();
        assert_eq!(upload.commit().await.is_ok(), expected != "first", "{text}");
        assert_eq!(desk.on_disk("a").as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn broken_off_uploads_of_an_account_are_bounded() {
    let desk = Desk::all().await;
    for number in 0..120 {
        broken_off(&desk, &format!("f{number}"), &[(0, "x")]).await;
    }
    let staged = std::fs::read_dir(desk.folder.path().join(".quaymaster/staging"))
        .unwrap()
        .count();
    assert_eq!(staged, 100);
}

/// The account sees it, so "no such file" would be no answer.
#[tokio::test]
async fn what_is_not_complete_says_so_to_whoever_reads_it() {
    let desk = Desk::all().await;
    let mut upload = desk.open("a", CREATE).await.unwrap();
    upload.write(vec![chunk(0, "half")]).await.unwrap();
    is_refused_to_read(&desk, "still being uploaded").await;
    upload.abandon().await;
    is_refused_to_read(&desk, "broke off").await;
    let absent = desk.mailbox.read(&path("b")).await.map(|_| ());
    assert_eq!(absent.unwrap_err().kind(), Kind::NotFound);
    desk.put("a", "whole").await.unwrap();
    assert!(desk.mailbox.read(&path("a")).await.is_ok());
}

async fn is_refused_to_read(desk: &Desk, sentence: &str) {
    let refusal = desk.mailbox.read(&path("a")).await.map(|_| ());
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Refused);
    let told = refusal.public_message();
    assert!(told.contains(sentence), "{told}");
}
