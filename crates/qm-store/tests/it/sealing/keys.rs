//! Encryption keys that rotate, are disabled and destroyed; and what the disk shows.

use bytes::Bytes;
use std::fs;

use qm_core::Kind;
use qm_core::id::BucketName;
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::Change;
use qm_core::ports::bucket::{Bucket, HoldNames};
use qm_core::ports::encryption::Envelope;
use qm_core::ports::ledger::KeptVersion;
use qm_store::{DirectoryBucket, Durability};

use super::{CHUNK_BYTES, World, files, key, landing, sealed, some_bytes, staging, write};

/// Nobody else is there.
struct Nobody;

#[async_trait::async_trait]
impl HoldNames for Nobody {
    async fn hold(&self, _: &ObjectKey) -> Box<dyn Send> {
        Box::new(())
    }
}

async fn envelope(world: &World, name: &str) -> Envelope {
    let content = world.inner.open(&key(name)).await.unwrap();
    content.envelope().unwrap().clone()
}

#[tokio::test]
async fn a_disabled_or_destroyed_encryption_key_is_told_plainly() {
    let world = World::new();
    let bytes = some_bytes(100_000, 1);
    world.publish(1, "a", &bytes).await;
    let open = world.bucket.open(&key("a")).await.unwrap();

    world.keys.disable(&landing());
    for refusal in [
        world.bytes("a").await.unwrap_err(),
        world
            .bucket
            .stage(staging(2))
            .await
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert_eq!(refusal.kind(), Kind::Unavailable);
        assert!(
            refusal.public_message().contains("`landing` is disabled"),
            "{refusal}"
        );
    }
    assert_eq!(world.bucket.leftovers().await.unwrap(), []);
    world.keys.enable(&landing());
    assert_eq!(world.bytes("a").await.unwrap(), bytes);

    world.keys.destroy(&landing());
    let refusal = world.bytes("a").await.unwrap_err();
    assert!(
        refusal.public_message().contains("`landing` is destroyed"),
        "{refusal}"
    );
    // Whoever read already holds the data key until it is done; nobody else gets it.
    assert_eq!(super::all_of(&*open).await.unwrap(), bytes);
    let entry = world.bucket.stat(&key("a").as_prefix()).await.unwrap();
    assert_eq!(entry.unwrap().size_bytes, 100_000, "it is still shown");
}

#[tokio::test]
async fn what_was_sealed_before_a_rotation_is_rewrapped_and_readable() {
    let world = World::new();
    let (one, two, three) = (some_bytes(10, 1), some_bytes(70_000, 2), Bytes::new());
    world
        .bucket
        .change_folder(qm_core::ports::bucket::FolderChange::MakeAll(
            Prefix::parse("x/y").unwrap(),
        ))
        .await
        .unwrap();
    let kept = world.publish(1, "x/y/a", &one).await;
    let mut staged = world.bucket.stage(staging(2)).await.unwrap();
    write(&mut *staged, 0, two.clone()).await;
    let version = sealed(&mut *staged).await;
    world
        .run("x/y/a", Change::Publish, &version, Some(&kept))
        .await;
    world.publish(3, "b", &three).await;
    fs::write(world.path("foreign"), "in clear").unwrap();
    let open = world.bucket.open(&key("x/y/a")).await.unwrap();

    world.keys.rotate(&landing());
    assert_eq!(world.bytes("b").await.unwrap(), three, "old envelopes open");
    world.publish(4, "c", &one).await;
    assert_eq!(envelope(&world, "c").await.generation, 2);

    let stored = [KeptVersion {
        path: ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: key("x/y/a"),
        },
        version: kept.clone(),
        kept_at: kept.received_at,
    }];
    let done = world.bucket.rewrap(&stored, &Nobody).await.unwrap();
    assert_eq!((done.checked, done.changed, done.failed), (4, 3, 0));
    for name in ["x/y/a", "b", "c"] {
        assert_eq!(envelope(&world, name).await.generation, 2, "{name}");
    }
    assert_eq!(
        super::all_of(&*open).await.unwrap(),
        two,
        "it was open meanwhile"
    );
    assert_eq!(world.bytes("x/y/a").await.unwrap(), two);
    assert_eq!(world.version_bytes(&kept, "x/y/a").await.unwrap(), one);

    let again = world.bucket.rewrap(&stored, &Nobody).await.unwrap();
    assert_eq!((again.checked, again.changed, again.failed), (4, 0, 0));
}

#[tokio::test]
async fn one_damaged_envelope_does_not_stop_the_others() {
    let world = World::new();
    for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
        world.publish(number, name, &some_bytes(10, number)).await;
    }
    let mut stored = fs::read(world.path("b")).unwrap();
    stored[600] ^= 1;
    fs::write(world.path("b"), stored).unwrap();
    world.keys.rotate(&landing());
    let done = world.bucket.rewrap(&[], &Nobody).await.unwrap();
    assert_eq!((done.checked, done.changed, done.failed), (3, 2, 1));
    assert!(done.last_failure.unwrap().starts_with("b: "));
}

/// The marker is in every piece of what is sent, and nowhere on disk: not while it comes, not
/// parked, not published, not kept.
#[tokio::test]
async fn the_disk_never_shows_what_was_sent() {
    const MARKER: &[u8] = b"IBAN IE29 AIBK 9311 5212 3456 78";
    let world = World::new();
    let bytes: Bytes = MARKER.repeat(3 * CHUNK_BYTES / MARKER.len() + 5).into();
    let hidden = || {
        let files = files(world.root.path());
        for path in &files {
            let stored = fs::read(path).unwrap();
            let is_shown = stored.windows(16).any(|window| window == &MARKER[..16]);
            assert!(!is_shown, "{}", path.display());
        }
        files
            .iter()
            .map(|path| fs::metadata(path).unwrap().len())
            .sum::<u64>()
    };
    let mut staged = world.bucket.stage(staging(1)).await.unwrap();
    write(&mut *staged, 0, bytes.slice(..100_000)).await;
    write(&mut *staged, 150_000, bytes.slice(150_000..180_000)).await;
    assert!(hidden() > 100_000, "it is on disk");
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    let state = parked.state.clone().unwrap();
    assert!(!state.contains("IBAN") && !state.contains(&hex::encode(&MARKER[..8])));
    hidden();
    drop(staged);
    let mut staged = world
        .bucket
        .resume(staging(1), &parked)
        .await
        .unwrap()
        .unwrap();
    write(&mut *staged, 100_000, bytes.slice(100_000..)).await;
    let version = sealed(&mut *staged).await;
    world.run("a", Change::Publish, &version, None).await;
    hidden();
    let mut staged = world.bucket.stage(staging(2)).await.unwrap();
    write(&mut *staged, 0, bytes.clone()).await;
    let newer = sealed(&mut *staged).await;
    world
        .run("a", Change::Publish, &newer, Some(&version))
        .await;
    assert!(hidden() > 2 * bytes.len() as u64, "current and kept");
    assert_eq!(world.version_bytes(&version, "a").await.unwrap(), bytes);
    assert_eq!(world.bytes("a").await.unwrap(), bytes);
}

#[tokio::test]
async fn a_bucket_that_was_sealed_is_not_opened_in_clear() {
    let world = World::new();
    let folder = world.root.path().to_owned();
    world.publish(1, "a", &some_bytes(10, 1)).await;
    let World {
        root,
        inner,
        bucket,
        ..
    } = world;
    drop((inner, bucket));
    let opened = DirectoryBucket::open(&folder, Durability::Full).map(|_| ());
    let refusal = opened.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Conflict);
    assert!(
        refusal.public_message().contains("encryption key"),
        "{refusal}"
    );
    DirectoryBucket::open_sealed(&folder, Durability::Full).unwrap();
    drop(root);
}

#[tokio::test]
async fn a_bucket_in_clear_looks_into_no_file() {
    let world = World::new();
    world.publish(1, "a", &some_bytes(10, 1)).await;
    let stored = fs::read(world.path("a")).unwrap();
    let clear = tempfile::tempdir().unwrap();
    let bucket = DirectoryBucket::open(clear.path(), Durability::Full).unwrap();
    fs::write(clear.path().join("a"), &stored).unwrap();
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(content.envelope(), None);
    assert_eq!(content.read(0, u32::MAX).await.unwrap(), stored);
    let entry = bucket.stat(&key("a").as_prefix()).await.unwrap().unwrap();
    assert_eq!(
        (entry.size_bytes, entry.is_sealed),
        (stored.len() as u64, false)
    );
}
