//! How often the store is asked, and that what nobody asks again is right all the same.

use qm_core::Kind;
use qm_core::operation::{Change, Operation};
use qm_core::ports::bucket::{Bucket as _, EntryKind, FolderChange};
use qm_core::ports::look::{Likely, Look};

use super::server::{On, Server, What};
use super::world::{
    BUCKET, World, key, operation, place, prefix, put_foreign, rename, some_bytes, somebody_else,
};

/// An upload in parts.
const LONG: usize = (16 << 20) + 5;

/// `METHOD key` of each request since the last call, `LIST prefix` of listings.
fn asked(server: &Server) -> Vec<String> {
    let told = |line: &String| {
        let (method, path) = line.split_once(" /landing").unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if !query.contains("list-type") {
            return format!("{method} {}", path.trim_start_matches("/data/"));
        }
        let mut parts = query.split('&');
        let listed = parts.find_map(|part| part.strip_prefix("prefix="));
        let listed = listed.unwrap().replace("%2F", "/");
        format!("LIST {}", listed.trim_start_matches("data/"))
    };
    let asked = server.requests().iter().map(told).collect();
    server.forget_requests();
    asked
}

async fn world(server: &Server) -> World {
    World::open(&place(server.endpoint(), BUCKET, "data")).await
}

#[tokio::test]
async fn a_look_asks_for_what_is_likely() {
    let server = Server::start().await;
    let world = world(&server).await;
    let theirs = somebody_else(server.endpoint()).await;
    put_foreign(&theirs, BUCKET, "data/in/a", "one").await;
    world.put(1, "in/new", "two").await;
    for number in 0..20 {
        world.put(2, &format!("many{number:02}"), "").await;
    }
    let folder = Some((EntryKind::Folder, 0));
    let file = Some((EntryKind::File, 3));
    for (path, likely, expect, requests) in [
        ("in/b", Likely::NoFile, None, &["LIST in/b"][..]),
        ("in/b", Likely::File, None, &["HEAD in/b", "LIST in/b/"]),
        ("in", Likely::NoFile, folder, &["LIST in"]),
        ("in", Likely::File, folder, &["HEAD in", "LIST in/"]),
        ("in/a", Likely::NoFile, file, &["LIST in/a", "HEAD in/a"]),
        ("in/a", Likely::File, file, &["HEAD in/a"]),
        // Put here a moment ago.
        ("in/new", Likely::NoFile, file, &["HEAD in/new"]),
        // The beginning of too many names.
        (
            "many",
            Likely::NoFile,
            None,
            &["LIST many", "HEAD many", "LIST many/"],
        ),
    ] {
        server.forget_requests();
        let look = world.bucket.look(&key(path), likely).await.unwrap();
        let found = look.entry.map(|entry| (entry.kind, entry.size_bytes));
        assert_eq!(found, expect, "{path} {likely:?}");
        assert_eq!(asked(&server), requests, "{path} {likely:?}");
    }
}

#[tokio::test]
async fn a_folder_is_asked_for_once_in_a_while() {
    let server = Server::start().await;
    let world = world(&server).await;
    let has = async |folder: &str| world.bucket.has_folder(&prefix(folder)).await.unwrap();
    server.forget_requests();
    assert!(has("").await && !has("in").await && !has("in").await);
    assert_eq!(asked(&server), ["LIST in", "LIST in"]);
    let make = FolderChange::Make(key("in"));
    world.bucket.change_folder(make).await.unwrap();
    server.forget_requests();
    for _ in 0..3 {
        assert!(has("in").await);
    }
    assert_eq!(asked(&server), ["LIST in"]);
    let remove = FolderChange::Remove(key("in"));
    world.bucket.change_folder(remove).await.unwrap();
    assert!(!has("in").await, "it was removed here");
    // A file is a folder of nothing.
    world.put(1, "file", "one").await;
    assert!(!has("file").await);
}

/// Decided on a look, as intake does.
async fn publish(world: &World, number: u64, text: &'static str, look: &Look) -> Operation {
    let version = world.receive(number, "a", "a", text).await;
    let publish = operation("a", Change::Publish, Some(&version));
    world.bucket.run_after(look, &publish).await.unwrap();
    assert_eq!(world.read("a").await, text);
    publish
}

#[tokio::test]
async fn a_small_file_is_one_request_after_a_look() {
    let server = Server::start().await;
    let world = world(&server).await;
    let look = async |likely| world.bucket.look(&key("a"), likely).await.unwrap();
    for (number, likely) in [(1, Likely::NoFile), (2, Likely::File)] {
        let seen = look(likely).await;
        let text = "some";
        let version = world.receive(number, "a", "a", text).await;
        let publish = operation("a", Change::Publish, Some(&version));
        server.forget_requests();
        world.bucket.run_after(&seen, &publish).await.unwrap();
        assert_eq!(asked(&server), ["PUT a"]);
        // After a crash it is looked at.
        world.bucket.run(&publish).await.unwrap();
        assert_eq!(asked(&server), ["HEAD a"]);
    }
    server.forget_requests();
    assert!(world.bucket.has_folder(&prefix("")).await.unwrap());
    assert!(asked(&server).is_empty());
}

#[tokio::test]
async fn what_others_put_after_the_look_is_seen() {
    let server = Server::start().await;
    let world = world(&server).await;
    let theirs = somebody_else(server.endpoint()).await;
    let look = async || world.bucket.look(&key("a"), Likely::File).await.unwrap();
    // Nothing was there, and now there is.
    let seen = look().await;
    put_foreign(&theirs, BUCKET, "data/a", "theirs").await;
    server.forget_requests();
    publish(&world, 1, "one", &seen).await;
    assert_eq!(asked(&server)[..3], ["PUT a", "HEAD a", "PUT a"]);
    // Something was there, and now it is something else.
    let seen = look().await;
    put_foreign(&theirs, BUCKET, "data/a", "theirs again").await;
    server.forget_requests();
    publish(&world, 2, "two", &seen).await;
    assert_eq!(asked(&server)[..3], ["PUT a", "HEAD a", "PUT a"]);
    // Something was there, and now there is nothing.
    let seen = look().await;
    theirs
        .delete_object()
        .bucket(BUCKET)
        .key("data/a")
        .send()
        .await
        .unwrap();
    publish(&world, 3, "three", &seen).await;
    // Amazon says it in other words.
    let seen = look().await;
    server.break_on(On::Put, 1, What::Answer(404, "NoSuchKey"));
    publish(&world, 4, "four", &seen).await;
}

#[tokio::test]
async fn what_is_still_needed_is_kept_whatever_was_seen() {
    let server = Server::start().await;
    let world = world(&server).await;
    let one = world.put(1, "a", "one").await;
    let seen = world.bucket.look(&key("a"), Likely::File).await.unwrap();
    let two = world.receive(2, "a", "a", "two").await;
    let replace = Operation {
        replaces: Some(one.id),
        keep_aside: true,
        ..operation("a", Change::Publish, Some(&two))
    };
    world.bucket.run_after(&seen, &replace).await.unwrap();
    assert_eq!(&world.read("a").await[..], b"two");
    let kept = world
        .bucket
        .open_version(one.id, &key("a"), &one.identity)
        .await;
    assert_eq!(&kept.unwrap().read(0, 100).await.unwrap()[..], b"one");
}

#[tokio::test]
async fn somebody_who_never_stops_is_told_of() {
    let server = Server::start().await;
    let world = world(&server).await;
    let faults = [
        (412, "PreconditionFailed"),
        (409, "ConditionalRequestConflict"),
    ];
    for (number, (status, code)) in (1..).zip(faults) {
        let version = world.receive(number, "a", "a", "one").await;
        let publish = operation("a", Change::Publish, Some(&version));
        server.break_on(On::Put, 100, What::Answer(status, code));
        let refused = world.bucket.run_after(&Look::default(), &publish).await;
        assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
        server.repair();
        world.bucket.run(&publish).await.unwrap();
        assert_eq!(&world.read("a").await[..], b"one");
    }
}

/// It says so once; then it is not asked for it again.
#[tokio::test]
async fn a_store_without_conditions_takes_small_files() {
    let server = Server::start().await;
    let world = world(&server).await;
    let puts = || {
        asked(&server)
            .iter()
            .filter(|line| *line == "PUT a")
            .count()
    };
    server.break_on(On::Put, 1, What::Answer(501, "NotImplemented"));
    publish(&world, 1, "one", &Look::default()).await;
    assert_eq!(puts(), 2);
    publish(&world, 2, "two", &Look::default()).await;
    assert_eq!(puts(), 1);
}

/// What never heals is not tried again.
#[tokio::test]
async fn bytes_that_are_gone_are_looked_for_once() {
    let server = Server::start().await;
    let world = world(&server).await;
    let version = world.receive(1, "a", "a", some_bytes(LONG)).await;
    let token = version.staged.clone().unwrap();
    world.bucket.discard(&token).await.unwrap();
    server.forget_requests();
    let publish = operation("a", Change::Publish, Some(&version));
    let refused = world.bucket.run(&publish).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound, "{}", refused.chain());
    // Before it, and after the error.
    assert_eq!(asked(&server), ["HEAD a", "GET a", "HEAD a"]);
}

/// The store may work for minutes between the two.
#[tokio::test]
async fn a_target_is_looked_at_after_the_detour() {
    let server = Server::start().await;
    let world = world(&server).await;
    let version = world.put_as(1, "a.csv.filepart", "a.csv", "ours").await;
    server.forget_requests();
    let elsewhere = rename("a.csv.filepart", "b.csv", Some(&version));
    world.bucket.run(&elsewhere).await.unwrap();
    let asked = asked(&server);
    let completed = asked.iter().position(|line| line == "POST a.csv").unwrap();
    assert_eq!(
        asked[completed + 1..][..3],
        ["HEAD a.csv", "HEAD b.csv", "PUT b.csv"]
    );
}
