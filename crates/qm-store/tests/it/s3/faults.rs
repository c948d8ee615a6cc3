//! A store that fails, and what becomes of it.

use qm_core::operation::Change;
use qm_core::ports::bucket::Bucket as _;
use qm_core::{Error, Kind};
use std::time::Duration;

use super::server::{On, Server, What};
use super::world::{BUCKET, World, operation, place, some_bytes};

const SERVER_ERROR: What = What::Answer(500, "InternalError");
const SLOW_DOWN: What = What::Answer(503, "SlowDown");
/// An upload in parts.
const LONG: usize = (16 << 20) + 5;

async fn world(server: &Server) -> World {
    World::open(&place(server.endpoint(), BUCKET, "data")).await
}

/// Publishes `a`, of so many bytes, while the fault happens.
async fn publish(size_bytes: usize, on: On, times: u32, what: What) -> Result<(), Error> {
    let server = Server::start().await;
    let world = world(&server).await;
    let version = world.receive(1, "a", "a", some_bytes(size_bytes)).await;
    server.break_on(on, times, what);
    let publication = operation("a", Change::Publish, Some(&version));
    let result = world.bucket.run(&publication).await;
    if result.is_ok() {
        assert_eq!(world.read("a").await, some_bytes(size_bytes));
    } else if matches!(what, What::Overtaken) {
        assert!(world.read("a").await.starts_with(b"theirs"));
    }
    server.repair();
    // Whatever happened, recovery runs it again.
    world.bucket.run(&publication).await.unwrap();
    assert_eq!(world.read("a").await, some_bytes(size_bytes));
    world.assert_no_uploads().await;
    result
}

async fn check(size_bytes: usize, on: On, times: u32, what: What, expect: Option<Kind>) {
    let result = publish(size_bytes, on, times, what).await;
    let found = result.err().map(|error| error.kind());
    assert_eq!(
        found, expect,
        "{times} times {what:?} on {on:?}, {size_bytes} bytes"
    );
}

#[tokio::test]
async fn what_passes_is_repeated() {
    check(100, On::Put, 2, SERVER_ERROR, None).await;
    check(100, On::Put, 2, SLOW_DOWN, None).await;
    check(100, On::Put, 1, What::DoneThenCut, None).await;
    check(100, On::Head, 2, SERVER_ERROR, None).await;
    check(LONG, On::Complete, 2, SERVER_ERROR, None).await;
    check(LONG, On::Complete, 2, SLOW_DOWN, None).await;
    check(LONG, On::Complete, 2, What::ErrorIn200, None).await;
}

#[tokio::test]
async fn what_somebody_else_put_meanwhile_is_looked_at_before_it_is_replaced() {
    for (size_bytes, on) in [(100, On::Put), (LONG, On::Complete)] {
        check(size_bytes, on, 1, What::Overtaken, None).await;
        check(size_bytes, on, 3, What::Overtaken, Some(Kind::Conflict)).await;
        for (status, code) in [
            (409, "ConditionalRequestConflict"),
            (412, "PreconditionFailed"),
            // It knows no conditions.
            (501, "NotImplemented"),
        ] {
            check(size_bytes, on, 1, What::Answer(status, code), None).await;
        }
    }
}

#[tokio::test]
async fn what_was_done_is_not_taken_for_failed() {
    check(LONG, On::Complete, 1, What::DoneButErrorIn200, None).await;
    check(LONG, On::Complete, 1, What::DoneThenCut, None).await;
    check(LONG, On::Complete, 4, What::DoneThenCut, None).await;
    check(100, On::Put, 4, What::DoneThenCut, None).await;
}

#[tokio::test]
async fn what_stays_is_told() {
    check(100, On::Put, 4, SERVER_ERROR, Some(Kind::Unavailable)).await;
    check(LONG, On::Complete, 4, SERVER_ERROR, Some(Kind::Unavailable)).await;
    check(
        LONG,
        On::Complete,
        4,
        What::ErrorIn200,
        Some(Kind::Unavailable),
    )
    .await;
    check(
        100,
        On::Put,
        3,
        What::Answer(412, "PreconditionFailed"),
        Some(Kind::Conflict),
    )
    .await;
    check(
        100,
        On::Put,
        1,
        What::Answer(400, "BadDigest"),
        Some(Kind::Unavailable),
    )
    .await;
    check(
        LONG,
        On::Complete,
        3,
        What::Answer(409, "ConditionalRequestConflict"),
        Some(Kind::Conflict),
    )
    .await;
}

#[tokio::test]
async fn expired_credentials_are_called_that() {
    let server = Server::start().await;
    let world = world(&server).await;
    server.break_on(On::Any, 100, What::Answer(403, "ExpiredToken"));
    let version = world.receive(1, "a", "a", some_bytes(10)).await;
    let refused = world
        .bucket
        .run(&operation("a", Change::Publish, Some(&version)))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    assert!(
        refused.public_message().contains("credentials"),
        "{refused}"
    );
    assert!(
        refused.remedy().unwrap().contains("renew"),
        "{:?}",
        refused.remedy()
    );
}

#[tokio::test]
async fn a_stall_is_given_up_and_repeated() {
    for (size_bytes, on) in [(100, On::Put), (100, On::Head)] {
        check(size_bytes, on, 1, What::Stall, None).await;
    }
    let server = Server::start().await;
    let world = world(&server).await;
    world.put(1, "a", "one").await;
    server.break_on(On::Any, 1, What::Stall);
    assert_eq!(&world.read("a").await[..], b"one");
    server.break_on(On::Any, 100, What::Stall);
    let path = super::world::prefix("a");
    let never = tokio::time::timeout(Duration::from_mins(1), world.bucket.stat(&path));
    let never = never.await.expect("it does not hang").unwrap_err();
    assert!(
        matches!(never.kind(), Kind::Timeout | Kind::Unavailable),
        "{never:?}"
    );
}

#[tokio::test]
async fn a_part_that_cannot_be_sent_leaves_no_upload() {
    let server = Server::start().await;
    let world = world(&server).await;
    server.break_on(On::Part, 100, SERVER_ERROR);
    let staging = qm_core::ports::bucket::Staging {
        version: qm_core::id::VersionId::from_parts(1, 1),
        key: super::world::key("a.tmp"),
        final_key: super::world::key("a"),
        size_hint: None,
        envelope: None,
        digest: qm_core::ports::bucket::DigestBy::Bucket,
        deposit: None,
    };
    let mut staged = world.bucket.stage(staging).await.unwrap();
    let chunk = qm_core::ports::bucket::Chunk {
        offset: 0,
        bytes: some_bytes(100),
    };
    staged.write(vec![chunk]).await.unwrap();
    assert_eq!(staged.seal().await.unwrap_err().kind(), Kind::Unavailable);
    drop(staged);
    server.repair();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !world.bucket.leftovers().await.unwrap().is_empty() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the upload is still there"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(world.arena.used_bytes(), 0);
}
