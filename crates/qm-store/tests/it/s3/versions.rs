//! Versions: ours, the store's and those of others.

use qm_core::Kind;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::Bucket as _;

use super::moto::Moto;
use super::server::Server;
use super::world::{
    BUCKET, World, key, operation, place, put_foreign, rename, some_bytes, somebody_else,
};

async fn kept(world: &World, version: &Version, path: &str) -> Option<Vec<u8>> {
    match world
        .bucket
        .open_version(version.id, &key(path), &version.identity)
        .await
    {
        Ok(content) => Some(content.read(0, 1 << 20).await.unwrap().to_vec()),
        Err(error) => {
            assert_eq!(error.kind(), Kind::NotFound, "{}", error.chain());
            None
        }
    }
}

fn over(path: &str, version: &Version, replaces: &Version) -> Operation {
    Operation {
        replaces: Some(replaces.id),
        keep_aside: true,
        ..operation(path, Change::Publish, Some(version))
    }
}

/// What is kept by a bucket with native versions and by one without.
async fn earlier_versions_are_kept_restored_and_released(world: &World) {
    let one = world.put(1, "a", "one").await;
    let two = world.receive(2, "a", "a", "two").await;
    world.bucket.run(&over("a", &two, &one)).await.unwrap();
    let three = world.put_as(3, "a.tmp", "a", "three").await;
    let rename_over = Operation {
        replaces: Some(two.id),
        keep_aside: true,
        ..rename("a.tmp", "a", Some(&three))
    };
    world.bucket.run(&rename_over).await.unwrap();
    let remove = Operation {
        replaces: Some(three.id),
        keep_aside: true,
        ..operation("a", Change::Remove, Some(&three))
    };
    world.bucket.run(&remove).await.unwrap();
    assert!(!world.is_there("a").await);
    for (version, text) in [(&one, "one"), (&two, "two"), (&three, "three")] {
        assert_eq!(kept(world, version, "a").await.unwrap(), text.as_bytes());
    }
    for _ in 0..2 {
        let restore = operation("a", Change::Restore, Some(&two));
        world.bucket.run(&restore).await.unwrap();
        assert_eq!(&world.read("a").await[..], b"two");
        assert_eq!(
            world.bucket.identity(&key("a")).await.unwrap(),
            Some(two.identity.clone())
        );
    }
    for version in [&one, &two, &three] {
        world.bucket.release(version.id, &key("a")).await.unwrap();
    }
    assert_eq!(kept(world, &one, "a").await, None);
    assert_eq!(kept(world, &three, "a").await, None);
    assert_eq!(
        &world.read("a").await[..],
        b"two",
        "what is current is never released"
    );
    assert_eq!(world.names("").await, ["a"]);
}

async fn a_file_of_others_keeps_its_identity(world: &World, endpoint: &str, bucket: &str) {
    let theirs = somebody_else(endpoint).await;
    put_foreign(&theirs, bucket, "data/foreign.csv", "theirs").await;
    let identity = world
        .bucket
        .identity(&key("foreign.csv"))
        .await
        .unwrap()
        .unwrap();
    let found = Version {
        identity: identity.clone(),
        staged: None,
        ..world.receive(9, "never", "never", "published").await
    };
    for _ in 0..2 {
        world
            .bucket
            .run(&rename("foreign.csv", "moved.csv", Some(&found)))
            .await
            .unwrap();
        assert_eq!(
            world.bucket.identity(&key("moved.csv")).await.unwrap(),
            Some(identity.clone())
        );
        assert!(!world.is_there("foreign.csv").await);
    }
    // Replaced by another of theirs, it is another one.
    put_foreign(&theirs, bucket, "data/moved.csv", "theirs again").await;
    assert_ne!(
        world.bucket.identity(&key("moved.csv")).await.unwrap(),
        Some(identity)
    );
    let removal = operation("moved.csv", Change::Remove, Some(&found));
    world.bucket.run(&removal).await.unwrap();
    assert_eq!(&world.read("moved.csv").await[..], b"theirs again");
    world
        .bucket
        .run(&operation("moved.csv", Change::Remove, None))
        .await
        .unwrap();
    assert!(!world.is_there("moved.csv").await);
}

async fn a_copy_by_others_is_another_file(world: &World, endpoint: &str, bucket: &str) {
    let version = world.put(1, "ours.csv", "one").await;
    somebody_else(endpoint)
        .await
        .copy_object()
        .bucket(bucket)
        .key("data/copied.csv")
        .copy_source(format!("{bucket}/data/ours.csv"))
        .send()
        .await
        .unwrap();
    let copied = world.bucket.identity(&key("copied.csv")).await.unwrap();
    assert!(copied.is_some_and(|copied| copied != version.identity));
}

async fn a_rename_to_itself_loses_nothing(world: &World) {
    let version = world.put(1, "same", "one").await;
    for version in [Some(&version), None] {
        world
            .bucket
            .run(&rename("same", "same", version))
            .await
            .unwrap();
        assert_eq!(&world.read("same").await[..], b"one");
    }
}

async fn a_long_file_is_copied_in_parts(world: &World) {
    let bytes = some_bytes((12 << 20) + 5);
    let version = world.put(1, "long", bytes.clone()).await;
    world
        .bucket
        .run(&rename("long", "there/long", Some(&version)))
        .await
        .unwrap();
    assert_eq!(world.read("there/long").await, bytes);
    let identity = world.bucket.identity(&key("there/long")).await.unwrap();
    assert_eq!(identity, Some(version.identity));
    assert!(!world.is_there("long").await);
    world.assert_no_uploads().await;
}

#[tokio::test]
async fn versions_on_s3s() {
    let server = Server::start().await;
    let open = |prefix: &'static str| {
        let place = place(server.endpoint(), BUCKET, prefix);
        async move { World::open(&place).await }
    };
    earlier_versions_are_kept_restored_and_released(&open("kept").await).await;
    a_file_of_others_keeps_its_identity(&open("data").await, server.endpoint(), BUCKET).await;
    a_copy_by_others_is_another_file(&open("data").await, server.endpoint(), BUCKET).await;
    a_rename_to_itself_loses_nothing(&open("same").await).await;
    server.forget_requests();
    a_long_file_is_copied_in_parts(&open("parts").await).await;
    let parts = server
        .requests()
        .iter()
        .filter(|line| line.contains("partNumber"))
        .count();
    assert_eq!(parts, 3, "no more than 5 MiB a copy here");
}

#[tokio::test]
async fn foreign_versions_on_moto() {
    let moto = Moto::start().await;
    moto.make_bucket("plain").await;
    moto.make_versioned_bucket("versioned").await;
    for bucket in ["plain", "versioned"] {
        let open = |prefix: &'static str| {
            let place = place(&moto.endpoint, bucket, prefix);
            async move { World::open(&place).await }
        };
        earlier_versions_are_kept_restored_and_released(&open("kept").await).await;
        a_file_of_others_keeps_its_identity(&open("data").await, &moto.endpoint, bucket).await;
        a_copy_by_others_is_another_file(&open("data").await, &moto.endpoint, bucket).await;
        a_long_file_is_copied_in_parts(&open("parts").await).await;
    }
    let kept_by_us = moto
        .client
        .list_objects_v2()
        .bucket("versioned")
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = kept_by_us
        .contents()
        .iter()
        .filter_map(|object| object.key())
        .collect();
    assert!(
        keys.iter().all(|key| !key.contains(".quaymaster")),
        "{keys:?}"
    );
}
