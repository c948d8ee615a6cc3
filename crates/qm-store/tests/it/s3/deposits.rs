//! What deliveries put there: by way of us, and copied by the store from another of its buckets.

use bytes::Bytes;
use qm_core::Kind;
use qm_core::id::{DeliveryId, VersionId};
use qm_core::operation::Version;
use qm_core::ports::bucket::{Bucket as _, Chunk, DigestBy, Staging};
use qm_core::ports::deposit::{Deposit, Put, StoredObject};

use super::moto::Moto;
use super::server::{On, Server, What};
use super::streaming::sealed;
use super::world::{BUCKET, World, key, place, some_bytes, somebody_else};

const DELIVERY: &str = "00112233445566778899aabbccddeeff";
const ARCHIVE: &str = "archive";
/// More than the tests' store copies at once.
const LONG: usize = (12 << 20) + 5;

pub(super) fn deposit(owner_full_control: bool) -> Deposit {
    Deposit {
        delivery: DELIVERY.parse::<DeliveryId>().unwrap(),
        owner_full_control,
    }
}

/// The same bytes as a delivery's version.
pub(super) fn delivered(version: &Version, number: u128) -> Version {
    let id = VersionId::from_parts(7, number);
    Version {
        id,
        identity: id.to_string(),
        staged: None,
        ..version.clone()
    }
}

pub(super) fn put<'a>(version: &'a Version, key: &'a qm_core::name::ObjectKey) -> Put<'a> {
    Put {
        key,
        version,
        deposit: deposit(false),
        replaces: None,
    }
}

pub(super) async fn stored(world: &World, path: &str) -> StoredObject {
    let content = world.bucket.open(&key(path)).await.unwrap();
    content.stored().unwrap()
}

/// Two buckets of one service; what others use, to look at the second.
async fn copies_between(endpoint: &str) {
    let landing = World::open(&place(endpoint, BUCKET, "in")).await;
    let archive = World::open(&place(endpoint, ARCHIVE, "kept")).await;
    let others = somebody_else(endpoint).await;
    for (number, size_bytes) in [(1, 0), (2, 100), (3, LONG)] {
        let path = format!("a {number} + ü.csv");
        let source = landing.put(number, &path, some_bytes(size_bytes)).await;
        let version = delivered(&source, number.into());
        let target = key(&format!("deep/{path}"));
        let from = stored(&landing, &path).await;
        let put = put(&version, &target);
        for _ in 0..2 {
            assert!(archive.bucket.put_copy(&from, put).await.unwrap());
        }
        let bytes = archive.read(target.as_str()).await;
        assert!(bytes == some_bytes(size_bytes), "{size_bytes}");
        let identity = archive.bucket.identity(&target).await.unwrap();
        assert_eq!(identity, Some(version.id.to_string()));
        let whole = format!("kept/{target}");
        let head = others.head_object().bucket(ARCHIVE).key(whole);
        let carried = head.send().await.unwrap().metadata.unwrap();
        assert_eq!(carried["quaymaster-delivery"], DELIVERY);
        assert_eq!(carried["quaymaster-sha256"], source.sha256.to_string());
    }
    archive.assert_no_uploads().await;
}

#[tokio::test]
async fn the_store_copies_between_its_buckets() {
    let server = Server::start().await;
    std::fs::create_dir(server.folder().join(ARCHIVE)).unwrap();
    copies_between(server.endpoint()).await;
    assert!(server.acls().is_empty());
}

#[tokio::test]
async fn foreign_moto_copies_between_its_buckets() {
    let moto = Moto::start().await;
    moto.make_bucket(BUCKET).await;
    moto.make_versioned_bucket(ARCHIVE).await;
    copies_between(&moto.endpoint).await;
}

#[tokio::test]
async fn only_what_is_meant_is_copied_and_replaced() {
    let server = Server::start().await;
    std::fs::create_dir(server.folder().join(ARCHIVE)).unwrap();
    let landing = World::open(&place(server.endpoint(), BUCKET, "")).await;
    let archive = World::open(&place(server.endpoint(), ARCHIVE, "")).await;
    for (size_bytes, name) in [(100, "small"), (LONG, "long")] {
        let source = landing.put(1, name, some_bytes(size_bytes)).await;
        let from = stored(&landing, name).await;
        let version = delivered(&source, 1);
        let target = key(name);
        // Somebody else's file is there, and then again another.
        archive.put(2, name, "theirs").await;
        let seen = archive.bucket.identity(&target).await.unwrap();
        archive.put(3, name, "newer").await;
        for replaces in [None, seen.as_deref()] {
            let put = Put {
                replaces,
                ..put(&version, &target)
            };
            let late = archive.bucket.put_copy(&from, put).await;
            assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
            assert_eq!(archive.read(name).await, "newer");
        }
        let seen = archive.bucket.identity(&target).await.unwrap();
        let over = Put {
            replaces: seen.as_deref(),
            ..put(&version, &target)
        };
        // The source is another one by now.
        let changed = StoredObject {
            etag: "\"0123456789abcdef0123456789abcdef\"".to_owned(),
            ..from.clone()
        };
        // (The peer looks at that only where it copies at once.)
        if name == "small" {
            let late = archive.bucket.put_copy(&changed, over).await;
            assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
            assert_eq!(archive.read(name).await, "newer");
        }
        let elsewhere = StoredObject {
            service: "http://elsewhere:9000".to_owned(),
            ..from.clone()
        };
        assert!(!archive.bucket.put_copy(&elsewhere, over).await.unwrap());
        assert!(archive.bucket.put_copy(&from, over).await.unwrap());
        assert!(archive.read(name).await == some_bytes(size_bytes));
    }
    archive.assert_no_uploads().await;
}

pub(super) async fn send(
    world: &World,
    deposit: Deposit,
    size_bytes: usize,
) -> Result<(), qm_core::Error> {
    let target = key("in/a");
    let staging = Staging {
        version: VersionId::from_parts(7, 1),
        key: target.clone(),
        final_key: target.clone(),
        size_hint: Some(size_bytes as u64),
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: Some(deposit),
    };
    let mut staged = world.bucket.stage(staging).await.unwrap();
    let bytes: Bytes = some_bytes(size_bytes);
    let chunk = Chunk { offset: 0, bytes };
    staged.write(vec![chunk]).await.unwrap();
    let version = sealed(&mut *staged).await;
    let replaces = world.bucket.identity(&target).await.unwrap();
    let put = Put {
        key: &target,
        version: &version,
        deposit,
        replaces: replaces.as_deref(),
    };
    world.bucket.put(put).await
}

/// By one request, in parts, and by a copy.
#[tokio::test]
async fn the_owner_of_the_bucket_gets_the_object_if_asked_for() {
    const WANTED: &str = "bucket-owner-full-control";
    for size_bytes in [100, 17 << 20] {
        let server = Server::start().await;
        let world = World::open(&place(server.endpoint(), BUCKET, "")).await;
        send(&world, deposit(false), size_bytes).await.unwrap();
        assert_eq!(server.acls(), Vec::<String>::new());
        world.bucket.run(&removal("in/a")).await.unwrap();
        send(&world, deposit(true), size_bytes).await.unwrap();
        assert_eq!(server.acls(), [WANTED]);
        let from = stored(&world, "in/a").await;
        let sealed = world.receive(2, "b", "b", some_bytes(size_bytes)).await;
        let (version, target) = (delivered(&sealed, 2), key("c"));
        let put = Put {
            deposit: deposit(true),
            ..put(&version, &target)
        };
        server.forget_requests();
        assert!(world.bucket.put_copy(&from, put).await.unwrap());
        assert_eq!(server.acls(), [WANTED]);
    }
}

fn removal(path: &str) -> qm_core::operation::Operation {
    super::world::operation(path, qm_core::operation::Change::Remove, None)
}

/// The answer is lost, or the store knows no conditions.
#[tokio::test]
async fn what_the_store_did_counts() {
    for (size_bytes, on) in [(100, On::Put), (17 << 20, On::Complete)] {
        for (times, what) in [
            (4, What::DoneThenCut),
            (1, What::Answer(501, "NotImplemented")),
        ] {
            let server = Server::start().await;
            let world = World::open(&place(server.endpoint(), BUCKET, "")).await;
            server.break_on(on, times, what);
            let sent = send(&world, deposit(false), size_bytes).await;
            sent.unwrap_or_else(|error| panic!("{on:?} {what:?}: {}", error.chain()));
            assert!(world.read("in/a").await == some_bytes(size_bytes));
            world.assert_no_uploads().await;
        }
    }
}
