//! What goes wrong between us and a store.

use bytes::Bytes;

use super::emulator::{Emulator, Kind};
use super::files::{key, operation, prefix, publish, received, sealed, staging};
use super::proxy::Fault;
use qm_core::Kind as ErrorKind;
use qm_core::operation::Change;
use qm_core::ports::bucket::{Bucket, Chunk};

#[tokio::test]
async fn foreign_azure_fails_and_recovers() {
    faults(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_fails_and_recovers() {
    faults(Kind::Google).await;
}

/// A copy is done when the store says so, not when it says that it began.
#[tokio::test]
async fn foreign_azure_waits_for_copies() {
    let emulator = Emulator::start(Kind::Azure).await;
    let bucket = emulator.fresh();
    let version = received(&bucket, 1, "a", Bytes::from_static(b"one")).await;
    publish(&bucket, "a", &version).await;
    let rename = operation("a", Change::Rename { to: key("b") }, &version);
    // The first look at `b` is before the copy.
    let (put, look) = ("PUT ", "HEAD /tests/landing/fresh%200/b ");
    emulator.proxy.plan(put, 1, Fault::CopyStatus("failed"));
    emulator.proxy.plan(look, 2, Fault::CopyStatus("failed"));
    let failed = bucket.run(&rename).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(bucket.open(&key("a")).await.is_ok(), "the source stays");
    emulator.proxy.plan(look, 4, Fault::CopyStatus("pending"));
    bucket.run(&rename).await.unwrap();
    assert!(emulator.proxy.is_played(), "it waited");
    assert!(bucket.open(&key("a")).await.is_err());
    assert!(bucket.open(&key("b")).await.is_ok());
}

async fn faults(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let bucket = emulator.fresh();
    errors_of_the_store(&emulator, &bucket).await;
    a_lost_answer(&emulator, &bucket).await;
    a_truncated_download(&emulator, &bucket).await;
    a_copy_is_repeated(&emulator, &bucket).await;
    somebody_else_is_faster(&emulator, &bucket).await;
    a_failing_upload(&emulator, &bucket).await;
}

async fn errors_of_the_store(emulator: &Emulator, bucket: &dyn Bucket) {
    for status in [500, 503, 429] {
        emulator.proxy.plan("", 2, Fault::Status(status));
        assert_eq!(bucket.stat(&prefix("none")).await.unwrap(), None);
        assert!(emulator.proxy.is_played(), "tried again");
    }
    emulator.proxy.plan("", usize::MAX, Fault::Status(503));
    let down = bucket.stat(&prefix("none")).await.unwrap_err();
    assert_eq!(down.kind(), ErrorKind::Unavailable);
    assert_eq!(down.retry_verdict(), qm_core::Retry::Later);
    emulator.proxy.stop();
    emulator.proxy.plan("", usize::MAX, Fault::Status(403));
    let refused = bucket.stat(&prefix("none")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(
        refused.remedy().unwrap().contains("credential"),
        "{refused:?}"
    );
    emulator.proxy.stop();
}

/// The store did it and could not say so: trying again finds it done.
async fn a_lost_answer(emulator: &Emulator, bucket: &dyn Bucket) {
    let version = received(bucket, 1, "a", Bytes::from_static(b"one")).await;
    emulator
        .proxy
        .plan(changing(emulator.kind), 1, Fault::AnswerLost);
    publish(bucket, "a", &version).await;
    assert!(emulator.proxy.is_played());
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(&content.read(0, 9).await.unwrap()[..], b"one");
}

async fn a_truncated_download(emulator: &Emulator, bucket: &dyn Bucket) {
    let text = Bytes::from_static(b"0123456789");
    let version = received(bucket, 2, "b", text.clone()).await;
    publish(bucket, "b", &version).await;
    let content = bucket.open(&key("b")).await.unwrap();
    emulator.proxy.plan("GET ", 1, Fault::Truncated);
    assert_eq!(content.read(0, 99).await.unwrap(), text);
    assert!(emulator.proxy.is_played());
    let content = bucket.open(&key("b")).await.unwrap();
    emulator.proxy.plan("GET ", usize::MAX, Fault::Truncated);
    let cut = content.read(0, 99).await.unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Unavailable, "{cut:?}");
    emulator.proxy.stop();
}

/// A rename that fails between copy and removal is completed by running it again.
async fn a_copy_is_repeated(emulator: &Emulator, bucket: &dyn Bucket) {
    let version = received(bucket, 3, "c", Bytes::from_static(b"three")).await;
    publish(bucket, "c", &version).await;
    let rename = operation("c", Change::Rename { to: key("d") }, &version);
    emulator
        .proxy
        .plan("DELETE ", usize::MAX, Fault::Status(500));
    assert_eq!(
        bucket.run(&rename).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    emulator.proxy.stop();
    for name in ["c", "d"] {
        assert!(bucket.open(&key(name)).await.is_ok(), "both, never none");
    }
    bucket.run(&rename).await.unwrap();
    assert!(bucket.open(&key("c")).await.is_err());
    assert!(bucket.open(&key("d")).await.is_ok());
}

/// A condition that does not hold is no failure: what is there now is looked at.
async fn somebody_else_is_faster(emulator: &Emulator, bucket: &dyn Bucket) {
    let version = received(bucket, 4, "e", Bytes::from_static(b"ours")).await;
    emulator
        .proxy
        .plan(changing(emulator.kind), 1, Fault::Status(412));
    publish(bucket, "e", &version).await;
    assert!(emulator.proxy.is_played());
    let content = bucket.open(&key("e")).await.unwrap();
    assert_eq!(&content.read(0, 9).await.unwrap()[..], b"ours");

    emulator.put("fresh 0/e", "another").await;
    let lost = content.read(0, 9).await;
    // The first bytes may be there already; never those of another file.
    match lost {
        Ok(bytes) => assert_eq!(&bytes[..], b"ours"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
    }
    let reopened = bucket.open(&key("e")).await.unwrap();
    emulator.put("fresh 0/e", "a third").await;
    assert_eq!(
        reopened.read(0, 9).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let rename = operation("e", Change::Rename { to: key("f") }, &version);
    assert_eq!(
        bucket.run(&rename).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
}

/// An upload that fails leaves nothing behind, and one block that fails is sent again.
async fn a_failing_upload(emulator: &Emulator, bucket: &dyn Bucket) {
    let block = Chunk {
        offset: 0,
        bytes: vec![7; 9 << 20].into(),
    };
    let mut staged = bucket.stage(staging(5, "g")).await.unwrap();
    emulator.proxy.plan("PUT ", 1, Fault::Status(503));
    staged.write(vec![block.clone()]).await.unwrap();
    let version = sealed(&mut *staged).await;
    assert!(emulator.proxy.is_played());
    publish(bucket, "g", &version).await;
    drop(staged);

    let mut staged = bucket.stage(staging(6, "h")).await.unwrap();
    emulator.proxy.plan("PUT ", usize::MAX, Fault::Status(503));
    let failed = async {
        staged.write(vec![block]).await?;
        staged.seal().await
    };
    assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::Unavailable);
    emulator.proxy.stop();
    let again = staged.seal().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "it does not go on");
    drop(staged);
    assert_eq!(bucket.leftovers().await.unwrap(), []);
    assert!(bucket.open(&key("h")).await.is_err());
}

/// How requests begin that store a small file.
fn changing(kind: Kind) -> &'static str {
    match kind {
        Kind::Azure => "PUT ",
        Kind::Google => "uploadType=resumable",
    }
}
