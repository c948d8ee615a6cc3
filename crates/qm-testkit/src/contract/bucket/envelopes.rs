//! Envelopes stored beside bytes: for buckets below the sealing decorator.

use qm_core::Kind;
use qm_core::id::EncryptionKeyName;
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Bucket, DigestBy, Staging};
use qm_core::ports::encryption::Envelope;
use std::sync::Arc;

use super::{
    Promises, Resumes, chunk, key, operation, prefix, publish, sealed, staging, text, version_id,
};

/// Runs every case on buckets that store sealed bytes; `fresh` makes an empty one.
pub async fn envelopes(fresh: &dyn Fn() -> Arc<dyn Bucket>, promises: &Promises) {
    are_told_with_the_bytes(&*fresh()).await;
    are_replaced_in_place(&*fresh()).await;
    survive_a_lost_session(&*fresh(), promises).await;
}

fn envelope(number: u64, generation: u32) -> Envelope {
    Envelope {
        version: version_id(number),
        encryption_key: EncryptionKeyName::parse("landing").unwrap(),
        generation,
        data_key: vec![7; 60],
        wrapping: vec![generation.to_be_bytes()[3]; 180],
    }
}

fn staging_sealed(number: u64) -> Staging {
    Staging {
        envelope: Some(envelope(number, 1)),
        digest: DigestBy::Caller,
        ..staging(number)
    }
}

async fn received_sealed(bucket: &dyn Bucket, number: u64, text: &str) -> Version {
    let mut staged = bucket.stage(staging_sealed(number)).await.unwrap();
    staged.write(vec![chunk(0, text)]).await.unwrap();
    sealed(&mut *staged).await
}

async fn are_told_with_the_bytes(bucket: &dyn Bucket) {
    let one = received_sealed(bucket, 1, "one").await;
    assert_eq!(one.size_bytes, 3, "without the envelope");
    publish(bucket, "a", &one).await;
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(content.envelope(), Some(&envelope(1, 1)));
    assert_eq!(
        (content.size_bytes(), text(&*content).await.as_str()),
        (3, "one")
    );
    let entry = bucket.stat(&prefix("a")).await.unwrap().unwrap();
    assert_eq!((entry.size_bytes, entry.is_sealed), (3, true));
    let listed = bucket
        .list(&prefix(""))
        .await
        .unwrap()
        .next()
        .await
        .unwrap();
    assert_eq!(listed, Some(vec![entry]));

    let clear = super::received_for(bucket, 2, "b", "two").await;
    publish(bucket, "b", &clear).await;
    let entry = bucket.stat(&prefix("b")).await.unwrap().unwrap();
    assert_eq!((entry.size_bytes, entry.is_sealed), (3, false));
    let content = bucket.open(&key("b")).await.unwrap();
    assert_eq!(
        (content.envelope(), text(&*content).await.as_str()),
        (None, "two")
    );
}

async fn are_replaced_in_place(bucket: &dyn Bucket) {
    let one = received_sealed(bucket, 1, "one").await;
    let two = received_sealed(bucket, 2, "two").await;
    publish(bucket, "a", &one).await;
    let publish_two = operation("a", Change::Publish, Some(&two), Some(&one));
    bucket.run(&publish_two).await.unwrap();
    // Kept and current ones, more often than there could be places for envelopes.
    for generation in 2..6 {
        let before = bucket.stat(&prefix("a")).await.unwrap().unwrap();
        for (number, version, bytes) in [(1, &one, "one"), (2, &two, "two")] {
            let new = envelope(number, generation);
            for _ in 0..2 {
                bucket
                    .set_envelope(version.id, &key("a"), &version.identity, &new)
                    .await
                    .unwrap();
                let found = bucket
                    .open_version(version.id, &key("a"), &version.identity)
                    .await
                    .unwrap();
                assert_eq!(found.envelope(), Some(&new));
                assert_eq!(text(&*found).await, bytes);
            }
        }
        let after = bucket.stat(&prefix("a")).await.unwrap().unwrap();
        assert_eq!(after.size_bytes, before.size_bytes);
        if bucket.keeps_attributes() {
            assert_eq!(
                after.modified, before.modified,
                "its content is what it was"
            );
        }
    }
    assert_eq!(
        bucket.identity(&key("a")).await.unwrap(),
        Some(two.identity.clone())
    );
    let gone = bucket
        .set_envelope(version_id(3), &key("b"), "none", &envelope(3, 1))
        .await;
    assert_eq!(gone.unwrap_err().kind(), Kind::NotFound);
}

async fn survive_a_lost_session(bucket: &dyn Bucket, promises: &Promises) {
    if promises.resumes != Resumes::Everything {
        return;
    }
    let mut staged = bucket.stage(staging_sealed(1)).await.unwrap();
    staged
        .write(vec![chunk(0, "hello "), chunk(9, "far")])
        .await
        .unwrap();
    let parked = staged.keep_contiguous().await.unwrap().expect("it is kept");
    assert_eq!(parked.size_bytes, 6);
    drop(staged);
    let resumed = bucket.resume(staging_sealed(1), &parked).await.unwrap();
    let mut resumed = resumed.expect("it is still there");
    assert_eq!(&resumed.read(0, 100).await.unwrap()[..], b"hello ");
    resumed.write(vec![chunk(6, "world")]).await.unwrap();
    let version = sealed(&mut *resumed).await;
    publish(bucket, "a", &version).await;
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(content.envelope(), Some(&envelope(1, 1)));
    assert_eq!(text(&*content).await, "hello world");
}
