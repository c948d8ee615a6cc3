//! A running node whose encryption key stays in AWS KMS.

use anyhow::{Context as _, ensure};
use qm_e2e::{HttpProxy, Moto, S3Server, World, csv};
use serde_json::json;
use std::fs;
use std::path::Path;

use crate::support::{Outcome, assert_content, wait_until_delivered};

/// What a client sent is stored sealed, comes back as it was, and is delivered in clear; a node that
/// was started anew asks KMS for what was sealed before.
fn seals_with_kms(mut world: World, folder: &Path) -> Outcome {
    let moto = Moto::start(folder)?;
    let kms = HttpProxy::start(moto.address())?;
    let made = moto.kms("CreateKey", &json!({}))?;
    let id = made["KeyMetadata"]["KeyId"].as_str();
    let id = id.context("a key has an id")?;
    let alias = json!({"AliasName": "alias/landing", "TargetKeyId": id});
    moto.kms("CreateAlias", &alias)?;
    let (share, endpoint) = (world.share(""), format!("endpoint = {:?}", kms.url()));
    world.account("north")?;
    world
        .configuration
        .may_everything("north")
        .share(&share)
        .route("to-share", "landing/north/out/**")
        .set("encryption_key.landing", r#"provider = "aws-kms""#)
        .set("encryption_key.landing", r#"key_id = "alias/landing""#)
        .set("encryption_key.landing", r#"region = "us-east-1""#)
        .set("encryption_key.landing", &endpoint)
        .set("bucket.landing", r#"encryption_key = "landing""#);
    world.start()?;
    let (first, second) = (csv(1, 300_000), csv(2, 200_000));
    world.write_local("first.csv", &first)?;
    world.write_local("second.csv", &second)?;
    let put =
        "mkdir out\nput first.csv out/first.csv\nput second.csv\nget out/first.csv back.csv\n";
    world.sftp("north", put)?.ok()?;
    assert_content(&world.local("back.csv"), &first);
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/out/first.csv"), &first);
    for (name, clear) in [("out/first.csv", &first), ("second.csv", &second)] {
        let stored = fs::read(world.bucket("north").join(name))?;
        let is_there = stored.windows(32).any(|window| window == &clear[..32]);
        ensure!(!is_there, "{name} is stored in clear");
        ensure!(
            stored.len() > clear.len(),
            "{name} has {} bytes",
            stored.len()
        );
    }
    ensure!(kms.take_count("GenerateDataKey") > 0, "sealed without KMS");

    world.stop()?;
    world.start()?;
    kms.take_count("Decrypt");
    let after = "get out/first.csv again.csv\nrename second.csv out/second.csv\n";
    world.sftp("north", after)?.ok()?;
    assert_content(&world.local("again.csv"), &first);
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/out/second.csv"), &second);
    ensure!(kms.take_count("Decrypt") > 0, "opened without KMS");
    Ok(())
}

#[test]
fn foreign_kms_seals_a_folder_and_what_is_delivered_is_in_clear() -> Outcome {
    let folder = tempfile::tempdir()?;
    seals_with_kms(World::new()?, folder.path())
}

#[test]
fn foreign_kms_seals_a_bucket_of_s3_and_what_is_delivered_is_in_clear() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = World::new()?;
    world.move_to_s3(&server)?;
    seals_with_kms(world, folder.path())
}
