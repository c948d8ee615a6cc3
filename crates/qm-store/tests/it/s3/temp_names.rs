//! Files under temp names: no object shows them before they have their final name.

use qm_core::Kind;
use qm_core::operation::Change;
use qm_core::ports::bucket::Bucket as _;

use super::server::{On, Server, What};
use super::world::{BUCKET, World, key, operation, place, prefix, rename, some_bytes};

const TEMP: &str = "in/a.csv.filepart";
const FINAL: &str = "in/a.csv";

async fn world(server: &Server) -> World {
    World::open(&place(server.endpoint(), BUCKET, "data")).await
}

#[tokio::test]
async fn a_file_becomes_an_object_once_and_at_its_rename() {
    let server = Server::start().await;
    let world = world(&server).await;
    let bytes = some_bytes(17 << 20);
    let version = world.put_as(1, TEMP, FINAL, bytes.clone()).await;

    let entry = world.bucket.stat(&prefix(TEMP)).await.unwrap().unwrap();
    assert_eq!(
        (entry.name.as_str(), entry.size_bytes),
        ("a.csv.filepart", 17 << 20)
    );
    assert_eq!(world.list("in").await, [entry]);
    assert_eq!(world.names("").await, ["in"]);
    assert_eq!(
        world.bucket.identity(&key(TEMP)).await.unwrap(),
        Some(version.identity.clone())
    );
    for read in [
        world.bucket.open(&key(TEMP)).await,
        world
            .bucket
            .open_version(version.id, &key(TEMP), &version.identity)
            .await,
    ] {
        let refusal = read.map(|_| ()).unwrap_err();
        assert_eq!(refusal.kind(), Kind::Refused);
        assert!(refusal.public_message().contains("final name"));
    }
    assert!(!world.is_there(FINAL).await);
    assert!(
        !server
            .folder()
            .join("landing/data/in/a.csv.filepart")
            .exists()
    );

    server.forget_requests();
    for _ in 0..2 {
        world
            .bucket
            .run(&rename(TEMP, FINAL, Some(&version)))
            .await
            .unwrap();
        assert_eq!(world.names("in").await, ["a.csv"]);
        assert!(!world.is_there(TEMP).await);
    }
    let requests = server.requests();
    let made = |method: &str| {
        requests
            .iter()
            .filter(|line| line.starts_with(method))
            .count()
    };
    assert_eq!((made("POST"), made("PUT")), (1, 0), "{requests:#?}");
    assert_eq!(world.read(FINAL).await, bytes);
    assert_eq!(
        world.bucket.identity(&key(FINAL)).await.unwrap(),
        Some(version.identity)
    );
    world.assert_no_uploads().await;
}

#[tokio::test]
async fn renamed_elsewhere_it_is_copied() {
    let server = Server::start().await;
    let world = world(&server).await;
    for (number, bytes) in [
        (1, some_bytes(100)),
        (2, some_bytes(0)),
        (3, some_bytes(6 << 20)),
    ] {
        let version = world.put_as(number, TEMP, FINAL, bytes.clone()).await;
        let other_temp = "other/b.csv.tmp";
        for _ in 0..2 {
            world
                .bucket
                .run(&rename(TEMP, other_temp, Some(&version)))
                .await
                .unwrap();
            assert!(!world.is_there(TEMP).await);
            assert!(world.is_there(other_temp).await);
        }
        for _ in 0..2 {
            let to_elsewhere = rename(other_temp, "out/c.csv", Some(&version));
            world.bucket.run(&to_elsewhere).await.unwrap();
            assert_eq!(world.read("out/c.csv").await, bytes);
            assert!(!world.is_there(FINAL).await);
            assert!(!world.is_there(other_temp).await);
        }
        let identity = world.bucket.identity(&key("out/c.csv")).await.unwrap();
        assert_eq!(identity, Some(version.identity));
        world.assert_no_uploads().await;
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_not_touched() {
    let server = Server::start().await;
    let world = world(&server).await;
    let theirs = world.put(1, FINAL, "theirs").await;
    let version = world.put_as(2, TEMP, FINAL, "ours").await;
    let refused = world
        .bucket
        .run(&rename(TEMP, "out/c.csv", Some(&version)))
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(&world.read(FINAL).await[..], b"theirs");
    assert!(world.is_there(TEMP).await, "and ours is not lost");
    let mut over = rename(TEMP, FINAL, Some(&version));
    over.replaces = Some(theirs.id);
    over.keep_aside = true;
    world.bucket.run(&over).await.unwrap();
    assert_eq!(&world.read(FINAL).await[..], b"ours");
    let kept = world
        .bucket
        .open_version(theirs.id, &key(FINAL), &theirs.identity)
        .await;
    assert_eq!(&kept.unwrap().read(0, 10).await.unwrap()[..], b"theirs");
}

/// Which suffixes are temporary is the account's: the ledger knows, the bucket does not.
#[tokio::test]
async fn renamed_to_another_temp_name_it_is_no_object() {
    let server = Server::start().await;
    let own = world(&server).await;
    let version = own.put_as(1, "in/a.csv.wip", FINAL, "one").await;
    let to_wip = rename("in/a.csv.wip", "in/b.csv.wip", Some(&version));
    own.bucket.run(&to_wip).await.unwrap();
    assert!(!own.is_there("in/b.csv").await && !own.is_there(FINAL).await);
    assert_eq!(own.names("in").await, ["b.csv.wip"]);
    let again = world(&server).await;
    let path = operation("in/b.csv.wip", Change::Publish, Some(&version)).path;
    again.bucket.remember(&path, &version).await.unwrap();
    let to_final = rename("in/b.csv.wip", "in/b.csv", Some(&version));
    again.bucket.run(&to_final).await.unwrap();
    assert_eq!(&again.read("in/b.csv").await[..], b"one");
    assert_eq!(again.names("in").await, ["b.csv"]);
}

#[tokio::test]
async fn it_is_remembered_after_a_restart() {
    let server = Server::start().await;
    let version = world(&server).await.put_as(1, TEMP, FINAL, "one").await;
    let again = world(&server).await;
    assert!(!again.is_there(TEMP).await);
    let path = operation(TEMP, Change::Publish, Some(&version)).path;
    again.bucket.remember(&path, &version).await.unwrap();
    assert_eq!(again.names("in").await, ["a.csv.filepart"]);
    assert_eq!(
        again.bucket.leftovers().await.unwrap(),
        [version.staged.clone().unwrap()]
    );
    again
        .bucket
        .run(&rename(TEMP, FINAL, Some(&version)))
        .await
        .unwrap();
    assert_eq!(&again.read(FINAL).await[..], b"one");
}

#[tokio::test]
async fn a_crash_at_any_request_of_a_rename_is_made_good() {
    for on in [On::Complete, On::Copy, On::Head, On::Any] {
        for what in [What::Answer(500, "InternalError"), What::DoneThenCut] {
            let server = Server::start().await;
            let first = world(&server).await;
            let version = first.put_as(1, TEMP, FINAL, "one").await;
            let to_elsewhere = rename(TEMP, "out/c.csv", Some(&version));
            server.break_on(on, 4, what);
            let failed = first.bucket.run(&to_elsewhere).await;
            server.repair();
            drop((failed, first));
            // Another process, that knows only what the ledger knows.
            let second = world(&server).await;
            second.bucket.run(&to_elsewhere).await.unwrap();
            assert_eq!(
                &second.read("out/c.csv").await[..],
                b"one",
                "{on:?} {what:?}"
            );
            assert!(!second.is_there(FINAL).await, "{on:?} {what:?}");
            second.assert_no_uploads().await;
        }
    }
}

#[tokio::test]
async fn removed_or_replaced_it_leaves_no_upload() {
    let server = Server::start().await;
    let world = world(&server).await;
    let one = world.put_as(1, TEMP, FINAL, "one").await;
    for _ in 0..2 {
        world
            .bucket
            .run(&operation(TEMP, Change::Remove, Some(&one)))
            .await
            .unwrap();
        assert!(!world.is_there(TEMP).await);
        world.assert_no_uploads().await;
    }
    world.put_as(2, TEMP, FINAL, "two").await;
    let three = world.put_as(3, TEMP, FINAL, "three").await;
    assert_eq!(
        world.bucket.leftovers().await.unwrap(),
        [three.staged.clone().unwrap()]
    );
    world.put(4, TEMP, "an object under a temp name").await;
    world.assert_no_uploads().await;
    assert_eq!(&world.read(TEMP).await[..], b"an object under a temp name");
    let five = world.put_as(5, TEMP, FINAL, "five").await;
    world.bucket.discard(&five.staged.unwrap()).await.unwrap();
    assert!(
        !world.is_there(TEMP).await,
        "the object under that name was replaced"
    );
}
