//! How the S3 bucket is set up, and what we ask of it.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, ServerSideEncryption,
};
use std::time::Duration;

use qm_core::config::S3Encryption;
use qm_core::ports::bucket::Bucket as _;

use super::moto::Moto;
use super::server::Server;
use super::world::{BUCKET, World, place, rename, some_bytes};

const KEY_ID: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn foreign_every_object_is_encrypted_as_it_should_be() {
    let moto = Moto::start().await;
    moto.make_bucket("sse").await;
    for (prefix, encryption, expect) in [
        ("s3", S3Encryption::S3, (ServerSideEncryption::Aes256, None)),
        (
            "kms",
            S3Encryption::Kms(Some(KEY_ID.to_owned())),
            (ServerSideEncryption::AwsKms, Some(KEY_ID)),
        ),
    ] {
        let mut place = place(&moto.endpoint, "sse", prefix);
        place.encryption = encryption;
        let world = World::open(&place).await;
        world.put(1, "small", "one").await;
        world.put(2, "parts", some_bytes(17 << 20)).await;
        let version = world.put(3, "moved", "three").await;
        world
            .bucket
            .run(&rename("moved", "copy", Some(&version)))
            .await
            .unwrap();
        let long = world.put(4, "long", some_bytes(6 << 20)).await;
        world
            .bucket
            .run(&rename("long", "long copy", Some(&long)))
            .await
            .unwrap();
        for name in ["small", "parts", "copy", "long copy"] {
            let head = moto
                .client
                .head_object()
                .bucket("sse")
                .key(format!("{prefix}/{name}"));
            let head = head.send().await.unwrap();
            assert_eq!(
                head.server_side_encryption(),
                Some(&expect.0),
                "{prefix} {name}"
            );
            assert_eq!(head.ssekms_key_id(), expect.1, "{prefix} {name}");
        }
    }
}

#[tokio::test]
async fn foreign_rules_that_would_abort_uploads_are_told() {
    let moto = Moto::start().await;
    moto.make_bucket("rules").await;
    let world = World::open(&place(&moto.endpoint, "rules", "data")).await;
    assert_eq!(world.bucket.lifecycle_warning(DAY).await, None);
    let abort = AbortIncompleteMultipartUpload::builder()
        .days_after_initiation(1)
        .build();
    let rule = LifecycleRule::builder()
        .id("tidy up")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(abort)
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder()
        .rules(rule)
        .build()
        .unwrap();
    moto.client
        .put_bucket_lifecycle_configuration()
        .bucket("rules")
        .lifecycle_configuration(rules)
        .send()
        .await
        .unwrap();
    let under_temp_name = "`tidy up` aborts uploads after 1 days: a file that still has its temporary name then is lost";
    let broken_off =
        "`tidy up` aborts uploads after 1 days, before a broken-off upload may be resumed";
    for (kept, is_resumed_longer) in [(DAY, true), (DAY / 2, false)] {
        let warning = world.bucket.lifecycle_warning(kept).await.unwrap();
        assert!(warning.contains(under_temp_name), "{warning}");
        assert_eq!(warning.contains(broken_off), is_resumed_longer, "{warning}");
    }
}

#[tokio::test]
async fn a_store_that_knows_neither_rules_nor_versions_will_do() {
    let server = Server::start().await;
    let world = World::open(&place(server.endpoint(), BUCKET, "")).await;
    assert_eq!(world.bucket.lifecycle_warning(DAY).await, None);
    let space = world.bucket.space().await.unwrap();
    assert_eq!(space.free_bytes, space.total_bytes);
}
