//! Tags of the objects that are made in a bucket.

use std::collections::BTreeMap;

use qm_core::config::S3Place;
use qm_core::operation::{Change, Operation};
use qm_core::ports::bucket::{Bucket as _, FolderChange};

use super::deposits::{delivered, deposit, put, send, stored};
use super::gateway::Gateway;
use super::moto::Moto;
use super::server::Server;
use super::world::{BUCKET, World, key, operation, place, rename, some_bytes, somebody_else};

/// More than the tests' store copies at once, and one request all the same.
const LONG: usize = 6 << 20;
/// An upload in parts.
const PARTS: usize = (16 << 20) + 5;

/// What is there after [`make_objects`].
const MADE: &[&str] = &[
    "small",
    "parts",
    "short moved",
    "long moved",
    "final.csv",
    "elsewhere.csv",
    "restored",
    "folder/",
    "in/a",
    "copied",
    "copied long",
];

type Tags = BTreeMap<String, String>;

fn tags(pairs: &[(&str, &str)]) -> Tags {
    let owned = |(tag, value): &(&str, &str)| ((*tag).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// With every mark that a tag may have.
fn ours() -> Tags {
    tags(&[
        ("service", "push"),
        ("cost centre", "a+b=c: \u{fc}@/d_e.f-g"),
        ("empty", ""),
    ])
}

fn tagged(endpoint: &str, bucket: &str, prefix: &str, tags: Tags) -> S3Place {
    S3Place {
        tags,
        ..place(endpoint, bucket, prefix)
    }
}

/// Makes objects in every way there is. Deliveries come from `elsewhere`.
async fn make_objects(world: &World, elsewhere: &World) {
    let run = async |operation: &Operation| world.bucket.run(operation).await.unwrap();
    world.put(1, "small", "one").await;
    world.put(2, "parts", some_bytes(PARTS)).await;
    for (number, name, size_bytes) in [(3, "short", 100), (4, "long", LONG)] {
        let version = world.put(number, name, some_bytes(size_bytes)).await;
        run(&rename(name, &format!("{name} moved"), Some(&version))).await;
    }
    let temp = "under.csv.filepart";
    for (number, name) in [(5, "under.csv"), (6, "elsewhere.csv")] {
        let version = world.put_as(number, temp, "under.csv", "one").await;
        run(&rename(temp, name, Some(&version))).await;
        if name == "under.csv" {
            run(&rename(name, "final.csv", Some(&version))).await;
        }
    }
    let one = world.put(7, "restored", "one").await;
    let two = world.receive(8, "restored", "restored", "two").await;
    for (change, version, before) in [(Change::Publish, &two, &one), (Change::Restore, &one, &two)]
    {
        run(&Operation {
            replaces: Some(before.id),
            keep_aside: true,
            ..operation("restored", change, Some(version))
        })
        .await;
    }
    let folder = FolderChange::Make(key("folder"));
    world.bucket.change_folder(folder).await.unwrap();
    send(world, deposit(false), 100).await.unwrap();
    for (number, name, size_bytes) in [(9, "copied", 100), (10, "copied long", LONG)] {
        let source = elsewhere.put(number, name, some_bytes(size_bytes)).await;
        let (version, target) = (delivered(&source, number.into()), key(name));
        let from = stored(elsewhere, name).await;
        let copied = world.bucket.put_copy(&from, put(&version, &target)).await;
        assert!(copied.unwrap(), "{name}");
    }
}

async fn tags_of(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Tags {
    let asked = client.get_object_tagging().bucket(bucket).key(key);
    let found = asked.send().await.unwrap();
    let owned = |tag: &aws_sdk_s3::types::Tag| (tag.key().to_owned(), tag.value().to_owned());
    found.tag_set().iter().map(owned).collect()
}

async fn every_object_carries_them(endpoint: &str, bucket: &str) {
    let elsewhere = World::open(&place(endpoint, bucket, "elsewhere")).await;
    let world = World::open(&tagged(endpoint, bucket, "tagged", ours())).await;
    make_objects(&world, &elsewhere).await;
    let others = somebody_else(endpoint).await;
    let listed = others.list_objects_v2().bucket(bucket).prefix("tagged/");
    let listed = listed.send().await.unwrap();
    let objects = listed.contents().iter();
    let keys: Vec<&str> = objects.filter_map(|object| object.key()).collect();
    for name in MADE {
        assert!(
            keys.contains(&format!("tagged/{name}").as_str()),
            "{name}: {keys:?}"
        );
    }
    let kept = keys.iter().filter(|key| key.contains("/.quaymaster/kept/"));
    assert_eq!(kept.count(), 2, "{keys:?}");
    for key in keys {
        assert_eq!(tags_of(&others, bucket, key).await, ours(), "{key}");
    }
}

/// Without tags a copy keeps those that the object has; otherwise it gets them instead.
async fn a_copy_keeps_or_gets_them(endpoint: &str, bucket: &str) {
    let others = somebody_else(endpoint).await;
    let open = async |tags: Tags| World::open(&tagged(endpoint, bucket, "copies", tags)).await;
    let theirs = tags(&[("scanned", "clean")]);
    let version = open(theirs.clone()).await.put(1, "a", "one").await;
    for (from, to, set, expect) in [("a", "b", Tags::new(), theirs), ("b", "c", ours(), ours())] {
        let change = rename(from, to, Some(&version));
        open(set).await.bucket.run(&change).await.unwrap();
        let found = tags_of(&others, bucket, &format!("copies/{to}")).await;
        assert_eq!(found, expect, "{to}");
    }
}

/// What one bucket says of its objects is not for another.
async fn a_delivery_brings_none_along(endpoint: &str, bucket: &str) {
    let from = World::open(&tagged(endpoint, bucket, "from", ours())).await;
    let to = World::open(&place(endpoint, bucket, "to")).await;
    let source = from.put(1, "a", "one").await;
    let (version, target) = (delivered(&source, 1), key("a"));
    let bytes = stored(&from, "a").await;
    assert!(
        to.bucket
            .put_copy(&bytes, put(&version, &target))
            .await
            .unwrap()
    );
    let others = somebody_else(endpoint).await;
    assert_eq!(tags_of(&others, bucket, "from/a").await, ours());
    assert_eq!(tags_of(&others, bucket, "to/a").await, Tags::new());
}

#[tokio::test]
async fn foreign_objects_on_moto_carry_the_tags() {
    let moto = Moto::start().await;
    moto.make_bucket("tags").await;
    every_object_carries_them(&moto.endpoint, "tags").await;
    a_copy_keeps_or_gets_them(&moto.endpoint, "tags").await;
    a_delivery_brings_none_along(&moto.endpoint, "tags").await;
}

#[tokio::test]
async fn foreign_objects_on_versitygw_carry_the_tags() {
    let gateway = Gateway::start("tags").await;
    every_object_carries_them(&gateway.endpoint, "tags").await;
    a_copy_keeps_or_gets_them(&gateway.endpoint, "tags").await;
    a_delivery_brings_none_along(&gateway.endpoint, "tags").await;
}

#[tokio::test]
async fn without_tags_only_a_copy_of_another_buckets_object_says_so() {
    let server = Server::start().await;
    let elsewhere = World::open(&place(server.endpoint(), BUCKET, "elsewhere")).await;
    let world = World::open(&place(server.endpoint(), BUCKET, "plain")).await;
    make_objects(&world, &elsewhere).await;
    let copy = format!("PUT /{BUCKET}/plain/copied?x-id=CopyObject");
    assert_eq!(server.taggings(), [copy]);
    let with_tags = World::open(&tagged(server.endpoint(), BUCKET, "tagged", ours())).await;
    with_tags.put(1, "small", "one").await;
    assert_eq!(server.taggings().len(), 2, "they would be seen");
}
