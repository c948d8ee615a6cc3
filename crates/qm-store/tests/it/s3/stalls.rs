//! A store that stops, or nearly, in the middle of a body.

use qm_core::operation::Change;
use qm_core::ports::bucket::Bucket as _;
use qm_core::{Error, Kind, Result};
use std::time::Duration;

use super::server::{On, Server, What};
use super::streaming::{publish, sealed, send, staging};
use super::world::{BUCKET, World, key, operation, place, some_bytes};

/// For what ends after some seconds, on a machine that is busy.
const LIMIT: Duration = Duration::from_mins(2);
const PART: usize = 16 << 20;
/// Given up after seconds, not after the minute that a whole part may take.
const TAIL: usize = 300 << 10;

async fn world(server: &Server) -> World {
    World::open(&place(server.endpoint(), BUCKET, "data")).await
}

/// Why it failed, which it does in time.
async fn failure<T>(asked: impl Future<Output = Result<T>>) -> Error {
    let ended = tokio::time::timeout(LIMIT, asked).await;
    ended.expect("it does not hang").map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_download_that_stalls_is_asked_for_again() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(3 << 20);
    world.put(1, "a", bytes.clone()).await;
    server.break_on(On::Get, 2, What::StallInBody);
    assert_eq!(world.read("a").await, bytes);
    assert_eq!(server.faults_left(), 0);
    let content = world.bucket.open(&key("a")).await.unwrap();
    server.break_on(On::Get, 100, What::StallInBody);
    let error = failure(content.read(0, 1000)).await;
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.public_message().contains("broke off"), "{error}");
    // Whoever asks again gets it.
    server.repair();
    let read = content.read(0, 1000).await.unwrap();
    assert_eq!(read, bytes.slice(..1000));
}

#[tokio::test]
async fn a_download_that_trickles_is_given_up() {
    let server = Server::start().await;
    let world = world(&server).await;
    world.put(1, "a", some_bytes(1000)).await;
    server.break_on(On::Get, 100, What::Trickle);
    let error = failure(world.bucket.open(&key("a"))).await;
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn an_upload_that_stalls_is_sent_again() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(TAIL);
    let version = world.receive(1, "a", "a", bytes.clone()).await;
    let publish = operation("a", Change::Publish, Some(&version));
    server.break_on(On::Put, 1, What::StallInBody);
    world.bucket.run(&publish).await.unwrap();
    assert_eq!(server.faults_left(), 0);
    assert_eq!(world.read("a").await, bytes);

    let version = world.receive(2, "b", "b", bytes.clone()).await;
    let publish = operation("b", Change::Publish, Some(&version));
    server.break_on(On::Put, 100, What::StallInBody);
    let error = failure(world.bucket.run(&publish)).await;
    assert!(
        matches!(error.kind(), Kind::Timeout | Kind::Unavailable),
        "{error:?}"
    );
    // What was received is still there, and nothing waits for the store.
    server.repair();
    world.bucket.run(&publish).await.unwrap();
    assert_eq!(world.read("b").await, bytes);
}

#[tokio::test]
async fn a_part_that_stalls_is_sent_again() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(PART + TAIL);
    let mut staged = world.bucket.stage(staging(1, "a")).await.unwrap();
    send(&mut *staged, 0, PART + TAIL).await;
    staged.flush().await.unwrap();
    server.break_on(On::Part, 1, What::StallInBody);
    let version = sealed(&mut *staged).await;
    assert_eq!(server.faults_left(), 0);
    publish(&world.bucket, "a", &version).await;
    assert_eq!(world.read("a").await, bytes);
    world.assert_no_uploads().await;
}
