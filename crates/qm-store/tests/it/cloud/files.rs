//! Files of all sizes under all names.

use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeSet;

use super::emulator::{Emulator, Kind};
use qm_core::id::{BucketName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, DigestBy, EntryKind, Staged, Staging};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn foreign_azure_keeps_odd_names() {
    odd_names(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_keeps_odd_names() {
    odd_names(Kind::Google).await;
}

#[tokio::test]
async fn foreign_azure_streams_large_files() {
    large_files(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_streams_large_files() {
    large_files(Kind::Google).await;
}

#[tokio::test]
async fn foreign_azure_lists_everything() {
    everything_is_listed(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_lists_everything() {
    everything_is_listed(Kind::Google).await;
}

async fn odd_names(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let bucket = emulator.below("p q+r%20\u{e9}");
    let names = [
        "a b.csv",
        "a+b.csv",
        "a%20b.csv",
        "100%.csv",
        "e\u{301}t\u{e9}.csv",
        "~[x]{y}#z?.csv",
        "deep/er/a&b=c.csv",
    ];
    for (number, name) in (0..).zip(names) {
        let version = received(&bucket, number, name, Bytes::from(name)).await;
        publish(&bucket, name, &version).await;
    }
    for (number, name) in (0..).zip(names) {
        let content = bucket.open(&key(name)).await.unwrap();
        assert_eq!(&content.read(0, 99).await.unwrap()[..], name.as_bytes());
        // Copies name their source in a header or an address.
        let moved = format!("moved/{name}");
        let version = version(number, name);
        run(&bucket, name, Change::Rename { to: key(&moved) }, &version).await;
        assert!(bucket.open(&key(name)).await.is_err(), "{name}");
        let content = bucket.open(&key(&moved)).await.unwrap();
        assert_eq!(&content.read(0, 99).await.unwrap()[..], name.as_bytes());
    }
    let flat = names.into_iter().filter(|name| !name.contains('/'));
    let listed = listed(&bucket, "moved").await;
    assert_eq!(
        listed,
        flat.chain(["deep"])
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    );
    let blank = bucket.stage(staging(99, " a")).await.map(|_| ());
    assert_eq!(blank.unwrap_err().kind(), qm_core::Kind::Invalid);
}

/// More than two blocks and a rest; sent a little out of order; read in every way.
async fn large_files(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let bucket = emulator.fresh();
    let bytes: Bytes = (0..10 * MIB + 12_345)
        .map(|place| u8::try_from(place / 7 % 251).unwrap())
        .collect();
    let mut staged = bucket.stage(staging(1, "large")).await.unwrap();
    let mut offsets: Vec<usize> = (0..bytes.len()).step_by(200_000).collect();
    for pair in offsets.chunks_mut(2) {
        pair.reverse();
    }
    for offset in offsets {
        staged.write(vec![chunk(&bytes, offset)]).await.unwrap();
    }
    let rewritten = staged.write(vec![chunk(&bytes, 0)]).await.unwrap_err();
    assert_eq!(rewritten.kind(), qm_core::Kind::Unsupported);
    let unreadable = staged.read(0, 1).await.unwrap_err();
    assert_eq!(unreadable.kind(), qm_core::Kind::Unsupported);
    let version = sealed(&mut *staged).await;
    let whole = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    assert_eq!(version.sha256.0, whole.as_ref());
    assert_eq!(staged.read(5, 3).await.unwrap(), bytes.slice(5..8));
    assert_eq!(bucket.stat(&prefix("large")).await.unwrap(), None);
    publish(&bucket, "large", &version).await;
    drop(staged);
    assert_eq!(bucket.leftovers().await.unwrap(), []);

    let content = bucket.open(&key("large")).await.unwrap();
    assert_eq!(content.size_bytes(), bytes.len() as u64);
    let mut read = Vec::new();
    while let Some(more) = Some(content.read(read.len() as u64, 262_144).await.unwrap())
        && !more.is_empty()
    {
        read.extend_from_slice(&more);
    }
    assert_eq!(read, bytes);
    for (offset, length) in [
        (9_000_000, 10),
        (3, 5_000_000),
        (bytes.len() - 1, 9),
        (0, 1),
    ] {
        let end = (offset + length).min(bytes.len());
        let read = content.read(offset as u64, u32::try_from(length).unwrap());
        assert_eq!(read.await.unwrap(), bytes.slice(offset..end), "{offset}");
    }

    begun_anew(&bucket, &bytes).await;
    resumed(&bucket, &bytes).await;
}

async fn begun_anew(bucket: &dyn Bucket, bytes: &Bytes) {
    let mut staged = bucket.stage(staging(2, "anew")).await.unwrap();
    let first = chunk(&bytes.slice(..9 * MIB), 0);
    staged
        .write(vec![Chunk {
            bytes: bytes.slice(..9 * MIB),
            ..first
        }])
        .await
        .unwrap();
    sealed(&mut *staged).await;
    staged.set_size(0).await.unwrap();
    staged
        .write(vec![Chunk {
            offset: 0,
            bytes: Bytes::from_static(b"short"),
        }])
        .await
        .unwrap();
    let version = sealed(&mut *staged).await;
    publish(bucket, "anew", &version).await;
    let content = bucket.open(&key("anew")).await.unwrap();
    assert_eq!(&content.read(0, 99).await.unwrap()[..], b"short");
    drop(staged);
    assert_eq!(bucket.leftovers().await.unwrap(), []);
}

async fn resumed(bucket: &dyn Bucket, bytes: &Bytes) {
    let mut staged = bucket.stage(staging(3, "resumed")).await.unwrap();
    let half = 9 * MIB + 5;
    let write = |offset: usize, end: usize| {
        vec![Chunk {
            offset: offset as u64,
            bytes: bytes.slice(offset..end),
        }]
    };
    staged.write(write(0, half)).await.unwrap();
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    drop(staged);
    assert_eq!(parked.size_bytes, half as u64);
    let staged = bucket.resume(staging(3, "resumed"), &parked).await.unwrap();
    let mut staged = staged.unwrap();
    staged.write(write(half, bytes.len())).await.unwrap();
    let version = sealed(&mut *staged).await;
    publish(bucket, "resumed", &version).await;
    let content = bucket.open(&key("resumed")).await.unwrap();
    assert_eq!(content.read(0, u32::MAX).await.unwrap(), bytes);
}

async fn everything_is_listed(kind: Kind) {
    const FILES: usize = 2_500;
    let emulator = Emulator::start(kind).await;
    let name = |number: usize| format!("{number:04}.csv");
    for number in 0..FILES {
        emulator.put(&format!("many/{}", name(number)), "").await;
    }
    for unusable in ["many//x", "many/\u{200b}y", "many/\u{202e}x", "many/ends "] {
        emulator.put(unusable, "").await;
    }
    emulator.put("many/", "").await;
    emulator.put("many/folder/", "").await;
    let bucket = emulator.below("");
    let mut expected: BTreeSet<String> = (0..FILES).map(name).collect();
    expected.insert("folder".to_owned());
    assert_same(&listed(&bucket, "many").await, &expected);
    let bucket = emulator.below("many");
    assert_same(&listed(&bucket, "").await, &expected);

    let file = bucket.stat(&prefix("0007.csv")).await.unwrap().unwrap();
    assert_eq!((file.kind, file.size_bytes), (EntryKind::File, 0));
    let folder = bucket.stat(&prefix("folder")).await.unwrap().unwrap();
    assert_eq!(folder.kind, EntryKind::Folder);
    foreign_files_move(&bucket).await;
}

/// Tells the difference only: thousands of names tell nothing.
#[track_caller]
fn assert_same(listed: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let difference: Vec<&String> = listed.symmetric_difference(expected).collect();
    assert!(difference.is_empty(), "{difference:?}");
}

/// What others put there is recognised wherever it goes, though every copy is another object.
async fn foreign_files_move(bucket: &dyn Bucket) {
    let identity = bucket.identity(&key("0007.csv")).await.unwrap().unwrap();
    let foreign = Version {
        identity: identity.clone(),
        ..version(7, "")
    };
    let to = key("moved.csv");
    run(bucket, "0007.csv", Change::Rename { to }, &foreign).await;
    let moved = bucket.identity(&key("moved.csv")).await.unwrap();
    assert_eq!(moved.as_deref(), Some(identity.as_str()));
    let replacement = received(bucket, 8, "moved.csv", Bytes::from_static(b"new")).await;
    let mut publish = operation("moved.csv", Change::Publish, &replacement);
    (publish.replaces, publish.keep_aside) = (Some(foreign.id), true);
    bucket.run(&publish).await.unwrap();
    let kept = bucket
        .open_version(foreign.id, &key("moved.csv"), &identity)
        .await
        .unwrap();
    assert_eq!(kept.size_bytes(), 0);
    run(bucket, "moved.csv", Change::Restore, &foreign).await;
    let restored = bucket.identity(&key("moved.csv")).await.unwrap();
    assert_eq!(restored, Some(identity));
}

pub(super) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(super) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub(super) fn staging(number: u128, name: &str) -> Staging {
    Staging {
        version: VersionId::from_parts(1, number),
        key: key(name),
        final_key: key(name),
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: None,
    }
}

pub(super) async fn received(
    bucket: &dyn Bucket,
    number: u128,
    name: &str,
    bytes: Bytes,
) -> Version {
    let mut staged = bucket.stage(staging(number, name)).await.unwrap();
    staged
        .write(vec![Chunk { offset: 0, bytes }])
        .await
        .unwrap();
    sealed(&mut *staged).await
}

pub(super) async fn sealed(staged: &mut dyn Staged) -> Version {
    let sealed = staged.seal().await.unwrap();
    Version {
        id: staged.version(),
        size_bytes: sealed.size_bytes,
        sha256: sealed.sha256,
        identity: sealed.identity,
        staged: None,
        received_at: Timestamp::UNIX_EPOCH,
    }
}

/// A version as the ledger knows it.
fn version(number: u128, text: &str) -> Version {
    let id = VersionId::from_parts(1, number);
    Version {
        id,
        size_bytes: text.len() as u64,
        sha256: qm_core::id::Sha256Digest([0; 32]),
        identity: id.to_string(),
        staged: None,
        received_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn operation(name: &str, change: Change, version: &Version) -> Operation {
    Operation {
        seq: OperationSeq(1),
        path: ObjectPath {
            bucket: BucketName::parse("b").unwrap(),
            key: key(name),
        },
        change,
        version: Some(version.clone()),
        replaces: None,
        keep_aside: false,
        keep_moved: false,
        is_hidden: false,
    }
}

async fn run(bucket: &dyn Bucket, name: &str, change: Change, version: &Version) {
    let operation = operation(name, change, version);
    bucket.run(&operation).await.unwrap();
}

pub(super) async fn publish(bucket: &dyn Bucket, name: &str, version: &Version) {
    run(bucket, name, Change::Publish, version).await;
}

async fn listed(bucket: &dyn Bucket, folder: &str) -> BTreeSet<String> {
    let mut listing = bucket.list(&prefix(folder)).await.unwrap();
    let mut names = BTreeSet::new();
    while let Some(batch) = listing.next().await.unwrap() {
        names.extend(batch.into_iter().map(|entry| entry.name));
    }
    names
}

fn chunk(bytes: &Bytes, offset: usize) -> Chunk {
    Chunk {
        offset: offset as u64,
        bytes: bytes.slice(offset..(offset + 200_000).min(bytes.len())),
    }
}
