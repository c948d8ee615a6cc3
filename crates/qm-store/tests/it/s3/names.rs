//! Keys, folders and listings.

use qm_core::Kind;
use qm_core::operation::Change;
use qm_core::ports::bucket::{Bucket as _, EntryKind, FolderChange};

use super::moto::Moto;
use super::server::{On, Server};
use super::world::{
    BUCKET, World, key, operation, place, prefix, put_foreign, rename, somebody_else,
};

const ODD: &[&str] = &[
    "in/with space.csv",
    "in/a+b=c&d.csv",
    "in/100%25 of %.csv",
    "in/é ü ñ.csv",
    "in/e\u{301}.csv",
    "in/日本語.csv",
    "in/#hash?query.csv",
    "in/~[x]{y}'(z)!*;:@$,.csv",
    "in/quote\".csv",
    "in/<tag>&amp;.csv",
];

async fn odd_keys_are_what_they_are(world: &World) {
    for (number, name) in (1..).zip(ODD) {
        let temp = format!("{name}.filepart");
        let text = format!("content of {name}");
        let version = world.put_as(number, &temp, name, text.clone()).await;
        world
            .bucket
            .run(&rename(&temp, name, Some(&version)))
            .await
            .unwrap();
        assert_eq!(world.read(name).await, text, "{name}");
        let moved = format!("moved/{}", name.trim_start_matches("in/"));
        world
            .bucket
            .run(&rename(name, &moved, Some(&version)))
            .await
            .unwrap();
        assert_eq!(world.read(&moved).await, text, "{moved}");
        assert!(!world.is_there(name).await);
    }
    let mut expected: Vec<_> = ODD
        .iter()
        .map(|name| name.trim_start_matches("in/").to_owned())
        .collect();
    expected.sort();
    assert_eq!(world.names("moved").await, expected);
    world.assert_no_uploads().await;
}

async fn what_cannot_be_named_is_not_listed(world: &World, endpoint: &str, bucket: &str) {
    let theirs = somebody_else(endpoint).await;
    for name in [
        "data/ok.csv",
        "data/a//b",
        "data/./x",
        "data/back\\slash",
        "data//lead",
    ] {
        put_foreign(&theirs, bucket, name, "theirs").await;
    }
    put_foreign(&theirs, bucket, "data/.quaymaster/kept/x", "ours").await;
    put_foreign(&theirs, bucket, "database/other", "of another place").await;
    assert_eq!(world.names("").await, ["a", "ok.csv"]);
    assert!(world.names("a").await.is_empty());
    assert_eq!(unnamed(world, "").await, [".", "/", "back\\slash"]);
    assert_eq!(unnamed(world, "a").await, ["a//"]);
}

/// What a listing passes over, told once.
async fn unnamed(world: &World, folder: &str) -> Vec<String> {
    let mut listing = world.bucket.list(&prefix(folder)).await.unwrap();
    while listing.next().await.unwrap().is_some() {}
    let mut paths = listing.take_unnamed();
    assert_eq!(listing.take_unnamed(), [""; 0]);
    paths.sort();
    paths
}

#[tokio::test]
async fn odd_keys_on_s3s() {
    let server = Server::start().await;
    let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
    odd_keys_are_what_they_are(&world).await;
}

#[tokio::test]
async fn foreign_odd_keys_on_moto() {
    let moto = Moto::start().await;
    moto.make_bucket("odd").await;
    let world = World::open(&place(&moto.endpoint, "odd", "data")).await;
    odd_keys_are_what_they_are(&world).await;
    moto.make_bucket("unnamed").await;
    let world = World::open(&place(&moto.endpoint, "unnamed", "data")).await;
    what_cannot_be_named_is_not_listed(&world, &moto.endpoint, "unnamed").await;
}

/// Whoever reads slowly, or only the beginning, has no more than a page held for it: 2,501 entries.
async fn a_page_is_asked_for_when_it_is_read(server: &Server, world: &World) {
    server.forget_requests();
    let mut listing = world.bucket.list(&prefix("many")).await.unwrap();
    let (mut given, mut pages) = (0, Vec::new());
    while let Some(entries) = listing.next().await.unwrap() {
        assert!(entries.len() <= 128, "{} at once", entries.len());
        given += entries.len();
        pages.push((server.requests().len(), given));
    }
    assert_eq!(pages.last(), Some(&(3, 2501)));
    for (asked, given) in pages {
        assert!(given > (asked - 1) * 1000, "{asked} pages for {given}");
    }
}

#[tokio::test]
async fn a_listing_is_never_cut_short() {
    let server = Server::start().await;
    let folder = server.folder().join("landing/data/many");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..2500 {
        std::fs::write(folder.join(format!("{number:05}.csv")), "x").unwrap();
    }
    std::fs::create_dir(folder.join("folder")).unwrap();
    std::fs::write(folder.join("folder/file"), "x").unwrap();
    let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
    server.forget_requests();
    let entries = world.list("many").await;
    let (files, folders): (Vec<_>, Vec<_>) = entries
        .iter()
        .partition(|entry| entry.kind == EntryKind::File);
    let mut expected: Vec<_> = (0..2500).map(|number| format!("{number:05}.csv")).collect();
    expected.sort();
    assert_eq!(
        files.iter().map(|file| &file.name).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
    assert_eq!(folders.len(), 1);
    let pages = server
        .requests()
        .iter()
        .filter(|line| line.contains("list-type"))
        .count();
    assert_eq!(pages, 3);
    a_page_is_asked_for_when_it_is_read(&server, &world).await;
    // A page that fails in the middle is an error, not an end.
    let mut listing = world.bucket.list(&prefix("many")).await.unwrap();
    server.break_on(
        On::List,
        100,
        super::server::What::Answer(500, "InternalError"),
    );
    let failed = loop {
        match listing.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the listing was cut short"),
            Err(error) => break error,
        }
    };
    assert_eq!(failed.kind(), Kind::Unavailable);
    server.repair();
    let mut rest = 0;
    while let Some(batch) = listing.next().await.unwrap() {
        rest += batch.len();
    }
    assert_eq!(rest, 1501, "it goes on where it failed");
}

#[tokio::test]
async fn markers_are_folders_and_empty_objects_are_files() {
    let server = Server::start().await;
    let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
    world
        .bucket
        .change_folder(FolderChange::Make(key("marked")))
        .await
        .unwrap();
    world.put(1, "empty.flag", "").await;
    let kinds: Vec<_> = world
        .list("")
        .await
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("empty.flag".to_owned(), EntryKind::File),
            ("marked".to_owned(), EntryKind::Folder)
        ]
    );
    assert!(world.names("marked").await.is_empty());
    assert!(world.read("empty.flag").await.is_empty());
    let theirs = somebody_else(server.endpoint()).await;
    let marker = theirs
        .head_object()
        .bucket(BUCKET)
        .key("data/marked/")
        .send()
        .await
        .unwrap();
    assert_eq!(marker.content_length(), Some(0));
}

#[tokio::test]
async fn a_folder_does_not_go_with_its_last_file() {
    let server = Server::start().await;
    let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
    let theirs = somebody_else(server.endpoint()).await;
    put_foreign(&theirs, BUCKET, "data/in/a.csv", "theirs").await;
    put_foreign(&theirs, BUCKET, "data/in/deep/b.csv", "theirs").await;
    assert!(
        world.is_there("in/deep").await,
        "it exists through what is in it"
    );
    for file in ["in/a.csv", "in/deep/b.csv"] {
        world
            .bucket
            .run(&operation(file, Change::Remove, None))
            .await
            .unwrap();
    }
    assert_eq!(world.names("in").await, ["deep"]);
    let full = world
        .bucket
        .change_folder(FolderChange::Remove(key("in")))
        .await;
    assert_eq!(full.unwrap_err().kind(), Kind::Conflict);
    for folder in ["in/deep", "in"] {
        world
            .bucket
            .change_folder(FolderChange::Remove(key(folder)))
            .await
            .unwrap();
        assert!(!world.is_there(folder).await);
    }
    let gone = world
        .bucket
        .change_folder(FolderChange::Remove(key("in")))
        .await;
    assert_eq!(gone.unwrap_err().kind(), Kind::NotFound);
    let version = world
        .put_as(1, "new/a.csv.filepart", "new/a.csv", "one")
        .await;
    let full = world
        .bucket
        .change_folder(FolderChange::Remove(key("new")))
        .await;
    assert_eq!(full.unwrap_err().kind(), Kind::Conflict);
    world
        .bucket
        .discard(&version.staged.unwrap())
        .await
        .unwrap();
}
