//! Sealing over the directory bucket, with encryption keys in memory.

mod damage;
mod keys;
mod model;
mod resume;

use bytes::Bytes;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

use qm_core::id::{BucketName, EncryptionKeyName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, DigestBy, Staged, Staging};
use qm_store::{DirectoryBucket, Durability, SealedBucket};
use qm_testkit::{MemoryEncryptionKeys, contract};

/// What a chunk holds, by `docs/formats/sealing.md`.
const CHUNK_BYTES: usize = 64 * 1024 - 28;
const PAGE_BYTES: usize = 4096;

#[tokio::test]
async fn a_sealed_directory_is_a_bucket() {
    let folders = super::Folders::new();
    let fresh = || {
        let inner = folders.bucket(DirectoryBucket::open_sealed);
        let keys = Arc::new(MemoryEncryptionKeys::default());
        Arc::new(SealedBucket::new(inner, keys, landing())) as Arc<dyn Bucket>
    };
    contract::bucket::all(&fresh, &contract::bucket::Promises::DIRECTORY).await;
}

#[tokio::test]
async fn what_was_brought_back_goes_when_it_is_replaced() {
    let world = World::new();
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    let one = world.publish(1, "a", &bytes("one")).await;
    let two = world.receive(2, &bytes("two")).await;
    world.run("a", Change::Publish, &two, Some(&one)).await;
    let kept = world.path(&format!(".quaymaster/kept/{}", one.id));
    assert!(kept.exists());
    world.run("a", Change::Restore, &one, Some(&two)).await;
    let three = world.receive(3, &bytes("three")).await;
    world.replace("a", &three, &one).await;
    assert!(!kept.exists(), "nobody needs it any more");
    assert_eq!(world.bytes("a").await.unwrap(), "three");
}

/// A sealed bucket and what lies below it.
struct World {
    root: TempDir,
    inner: Arc<dyn Bucket>,
    keys: Arc<MemoryEncryptionKeys>,
    bucket: SealedBucket,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let opened = DirectoryBucket::open_sealed(root.path(), Durability::OffForComparison);
        let inner: Arc<dyn Bucket> = Arc::new(opened.unwrap());
        let keys = Arc::new(MemoryEncryptionKeys::default());
        let bucket = SealedBucket::new(inner.clone(), keys.clone(), landing());
        Self {
            root,
            inner,
            keys,
            bucket,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Receives a version and publishes it.
    async fn publish(&self, number: u64, name: &str, bytes: &Bytes) -> Version {
        let version = self.receive(number, bytes).await;
        self.run(name, Change::Publish, &version, None).await;
        version
    }

    async fn receive(&self, number: u64, bytes: &Bytes) -> Version {
        let mut staged = self.bucket.stage(staging(number)).await.unwrap();
        write(&mut *staged, 0, bytes.clone()).await;
        sealed(&mut *staged).await
    }

    async fn run(&self, name: &str, change: Change, version: &Version, keep: Option<&Version>) {
        let operation = operation(name, change, version, keep);
        self.bucket.run(&operation).await.unwrap();
    }

    /// Publishes over a version that nobody needs any more.
    async fn replace(&self, name: &str, version: &Version, replaced: &Version) {
        let publish = operation(name, Change::Publish, version, Some(replaced));
        let publish = Operation {
            keep_aside: false,
            ..publish
        };
        self.bucket.run(&publish).await.unwrap();
    }

    async fn bytes(&self, name: &str) -> qm_core::Result<Bytes> {
        all_of(&*self.bucket.open(&key(name)).await?).await
    }

    async fn version_bytes(&self, version: &Version, name: &str) -> qm_core::Result<Bytes> {
        let opened = self
            .bucket
            .open_version(version.id, &key(name), &version.identity)
            .await?;
        all_of(&*opened).await
    }
}

fn operation(name: &str, change: Change, version: &Version, keep: Option<&Version>) -> Operation {
    Operation {
        seq: OperationSeq(1),
        path: ObjectPath {
            bucket: BucketName::parse("b").unwrap(),
            key: key(name),
        },
        change,
        version: Some(version.clone()),
        replaces: keep.map(|version| version.id),
        keep_aside: keep.is_some(),
        keep_moved: false,
        is_hidden: false,
    }
}

pub(crate) fn staging(number: u64) -> Staging {
    Staging {
        version: VersionId::from_parts(1, number.into()),
        key: key("a"),
        final_key: key("a"),
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: None,
    }
}

async fn all_of(content: &dyn Content) -> qm_core::Result<Bytes> {
    let bytes = content.read(0, u32::MAX).await?;
    assert_eq!(bytes.len() as u64, content.size_bytes(), "not short");
    Ok(bytes)
}

async fn write(staged: &mut dyn Staged, offset: usize, bytes: Bytes) {
    let offset = offset as u64;
    staged.write(vec![Chunk { offset, bytes }]).await.unwrap();
}

async fn sealed(staged: &mut dyn Staged) -> Version {
    let sealed = staged.seal().await.unwrap();
    Version {
        id: staged.version(),
        size_bytes: sealed.size_bytes,
        sha256: sealed.sha256,
        identity: sealed.identity,
        staged: staged.token(),
        received_at: Timestamp::UNIX_EPOCH,
    }
}

/// Bytes that do not repeat.
fn some_bytes(size_bytes: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..size_bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        })
        .collect()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn landing() -> EncryptionKeyName {
    EncryptionKeyName::parse("landing").unwrap()
}

/// Every regular file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
