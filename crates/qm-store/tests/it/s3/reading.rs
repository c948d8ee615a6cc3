//! Reading objects.

use qm_core::Kind;
use qm_core::operation::Change;
use qm_core::ports::bucket::Bucket as _;
use std::sync::Arc;

use super::server::{On, Server, What};
use super::world::{BUCKET, World, key, operation, place, some_bytes};

async fn world(server: &Server) -> World {
    World::open(&place(server.endpoint(), BUCKET, "")).await
}

#[tokio::test]
async fn from_beginning_to_end_it_takes_few_requests() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(9 << 20);
    world.put(1, "a", bytes.clone()).await;
    let content: Arc<dyn qm_core::ports::bucket::Content> =
        world.bucket.open(&key("a")).await.unwrap().into();
    server.forget_requests();
    // As a client does: many requests at a time.
    let reads = (0..36).map(|number: u64| {
        let content = Arc::clone(&content);
        async move { content.read(number << 18, 1 << 18).await.unwrap() }
    });
    let read: Vec<_> = futures_util::StreamExt::collect(futures_util::StreamExt::buffered(
        futures_util::stream::iter(reads),
        8,
    ))
    .await;
    assert_eq!(read.concat(), bytes);
    assert_eq!(server.requests().len(), 5, "{:?}", server.requests());
}

#[tokio::test]
async fn at_random_places_it_is_right() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes((5 << 20) + 7);
    world.put(1, "a", bytes.clone()).await;
    let content = world.bucket.open(&key("a")).await.unwrap();
    let mut place = 12345_u64;
    for round in 0..100 {
        // A generator of Knuth's; some jumps, some goings on.
        place = place
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let offset = usize::try_from((place >> 33) % (bytes.len() as u64 + 1000)).unwrap();
        let length = usize::try_from((place >> 20) % 400_000).unwrap();
        let begin = offset.min(bytes.len());
        let end = (offset + length).min(bytes.len());
        let read = content
            .read(offset as u64, u32::try_from(length).unwrap())
            .await
            .unwrap();
        assert_eq!(read, bytes.slice(begin..end.max(begin)), "round {round}");
    }
}

#[tokio::test]
async fn a_long_file_that_is_replaced_never_shows_other_bytes() {
    let server = Server::start().await;
    let world = world(&server).await;
    world.put(1, "a", some_bytes(9 << 20)).await;
    let content = world.bucket.open(&key("a")).await.unwrap();
    content.read(0, 1000).await.unwrap();
    world.put(2, "a", vec![1; 9 << 20]).await;
    let late = content.read(8 << 20, 1000).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
}

#[tokio::test]
async fn a_download_that_breaks_off_is_asked_for_again() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(3 << 20);
    world.put(1, "a", bytes.clone()).await;
    server.break_on(On::Get, 2, What::HalfTheBody);
    assert_eq!(world.read("a").await, bytes);
    assert_eq!(server.faults_left(), 0);
    server.break_on(On::Get, 100, What::HalfTheBody);
    let content = world.bucket.open(&key("a")).await.unwrap();
    let broken = content.read(0, 1000).await.unwrap_err();
    assert_eq!(broken.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_wrong_checksum_is_noticed() {
    let server = Server::start().await;
    let mut place = place(server.endpoint(), BUCKET, "");
    place.checksums = true;
    let world = World::open(&place).await;
    world.put(1, "a", "one").await;
    server.break_on(On::Get, 1, What::FlippedByte);
    assert_eq!(&world.read("a").await[..], b"one");
    assert_eq!(server.faults_left(), 0);
    server.break_on(On::Get, 100, What::FlippedByte);
    let broken = world.bucket.open(&key("a")).await.map(|_| ()).unwrap_err();
    assert_eq!(broken.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_version_whose_name_changes_while_it_is_opened_is_looked_for_again() {
    let server = Server::start().await;
    let world = world(&server).await;
    let version = world.put(1, "a", "one").await;
    for (status, code) in [(404, "NoSuchKey"), (412, "PreconditionFailed")] {
        server.break_on(On::Get, 1, What::Answer(status, code));
        let key = key("a");
        let opened = world
            .bucket
            .open_version(version.id, &key, &version.identity);
        let content = opened.await.unwrap();
        assert_eq!(&content.read(0, 10).await.unwrap()[..], b"one");
        assert_eq!(server.faults_left(), 0);
    }
}

#[tokio::test]
async fn a_removed_file_is_gone() {
    let server = Server::start().await;
    let world = world(&server).await;
    let version = world.put(1, "a", "one").await;
    world
        .bucket
        .run(&operation("a", Change::Remove, Some(&version)))
        .await
        .unwrap();
    for gone in [
        world.bucket.open(&key("a")).await,
        world
            .bucket
            .open_version(version.id, &key("a"), &version.identity)
            .await,
    ] {
        assert_eq!(gone.map(|_| ()).unwrap_err().kind(), Kind::NotFound);
    }
}
