//! What another process finds, and what readers see of an envelope that is replaced.

use bytes::Bytes;

use super::emulator::{Emulator, Kind};
use super::files::{key, operation, publish, received, sealed, staging};
use qm_core::Kind as ErrorKind;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::operation::Change;
use qm_core::ports::bucket::{Bucket, Chunk, Staging};
use qm_core::ports::encryption::Envelope;

#[tokio::test]
async fn foreign_azure_after_a_restart() {
    after_a_restart(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_after_a_restart() {
    after_a_restart(Kind::Google).await;
}

async fn after_a_restart(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let (before, after) = (emulator.below("p"), emulator.below("p"));
    // A large file is staged where the next start finds it.
    let large = Bytes::from(vec![7; 9 << 20]);
    let version = received(&before, 1, "large", large.clone()).await;
    assert_eq!(after.leftovers().await.unwrap().len(), 1);
    publish(&after, "large", &version).await;
    let content = after.open(&key("large")).await.unwrap();
    assert_eq!(content.read(0, u32::MAX).await.unwrap(), large);
    assert_eq!(after.leftovers().await.unwrap(), []);
    publish(&after, "large", &version).await;

    // A small one is gone with the process, and nobody was told that it was kept.
    emulator.proxy.seen();
    let version = received(&before, 2, "small", Bytes::from_static(b"x")).await;
    let lost = operation("small", Change::Publish, &version);
    let error = after.run(&lost).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    publish(&before, "small", &version).await;
    let stored = emulator.proxy.seen();
    let stored = stored.iter().filter(|line| line.starts_with("PUT "));
    assert_eq!(stored.count(), 1, "one object is made, once");
    after.run(&lost).await.unwrap();

    // So is an upload that waits for another session.
    let mut staged = before.stage(staging(3, "parked")).await.unwrap();
    let bytes = Bytes::from_static(b"x");
    staged
        .write(vec![Chunk { offset: 0, bytes }])
        .await
        .unwrap();
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    let resumed = after.resume(staging(3, "parked"), &parked).await.unwrap();
    assert!(resumed.is_none());
    before.discard(&parked.token).await.unwrap();
    let resumed = before.resume(staging(3, "parked"), &parked).await.unwrap();
    assert!(resumed.is_none());
}

#[tokio::test]
async fn foreign_azure_reads_on_under_a_new_envelope() {
    reads_on(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_reads_on_under_a_new_envelope() {
    reads_on(Kind::Google).await;
}

async fn reads_on(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let bucket = emulator.fresh();
    let envelope = |generation| Envelope {
        version: VersionId::from_parts(1, 1),
        encryption_key: EncryptionKeyName::parse("landing").unwrap(),
        generation,
        data_key: vec![7; 60],
        wrapping: Vec::new(),
    };
    let staging = Staging {
        envelope: Some(envelope(1)),
        ..staging(1, "a")
    };
    let large = Bytes::from(vec![7; 9 << 20]);
    let mut staged = bucket.stage(staging).await.unwrap();
    let chunk = Chunk {
        offset: 0,
        bytes: large.clone(),
    };
    staged.write(vec![chunk]).await.unwrap();
    let version = sealed(&mut *staged).await;
    publish(&bucket, "a", &version).await;
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(content.envelope(), Some(&envelope(1)));
    content.read(0, 10).await.unwrap();
    bucket
        .set_envelope(version.id, &key("a"), &version.identity, &envelope(2))
        .await
        .unwrap();
    assert_eq!(content.read(0, u32::MAX).await.unwrap(), large);
    let reopened = bucket.open(&key("a")).await.unwrap();
    assert_eq!(reopened.envelope(), Some(&envelope(2)));
}
