//! Others who put a file where ours is about to be: nothing of theirs is replaced unseen.

use bytes::Bytes;
use qm_core::Kind;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::Bucket as _;

use super::server::{On, Server, What};
use super::world::{BUCKET, LIMITS, World, operation, place, rename, some_bytes};

const TEMP: &str = "in/a.csv.filepart";
const FINAL: &str = "in/a.csv";
/// So often a name is looked at that changes all the time.
const LOOKS: u32 = 3;
/// An upload in parts, and more than one request copies.
const LONG: usize = (16 << 20) + 5;

/// A change of a name, and the request that makes the object.
struct Scene {
    server: Server,
    world: World,
    on: On,
}

impl Scene {
    async fn of(on: On) -> Self {
        let server = Server::start().await;
        let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
        Self { server, world, on }
    }

    /// Who never stops is told of; what came once is replaced after a look.
    async fn is_looked_at(&self, change: &Operation, target: &str, ours: impl Into<Bytes>) {
        self.server.break_on(self.on, LOOKS, What::Overtaken);
        let refused = self.world.bucket.run(change).await.unwrap_err();
        let told = refused.chain();
        assert_eq!(refused.kind(), Kind::Conflict, "{target}: {told}");
        assert_eq!(self.server.faults_left(), 0, "{target}");
        let shown = self.world.read(target).await;
        assert!(shown.starts_with(b"theirs"), "{target}");
        self.server.break_on(self.on, 1, What::Overtaken);
        self.world.bucket.run(change).await.unwrap();
        assert_eq!(self.server.faults_left(), 0, "{target}");
        let ours: Bytes = ours.into();
        assert!(self.world.read(target).await == ours, "{target}");
        self.world.assert_no_uploads().await;
    }
}

#[tokio::test]
async fn a_long_file_that_is_published() {
    let scene = Scene::of(On::Complete).await;
    let bytes = some_bytes(LONG);
    let version = scene.world.receive(1, "a", "a", bytes.clone()).await;
    let publish = operation("a", Change::Publish, Some(&version));
    scene.is_looked_at(&publish, "a", bytes).await;
}

#[tokio::test]
async fn a_file_that_is_renamed() {
    let scene = Scene::of(On::Copy).await;
    let version = scene.world.put(1, "a", "ours").await;
    let to_other = rename("a", "b", Some(&version));
    scene.is_looked_at(&to_other, "b", "ours").await;
    assert!(!scene.world.is_there("a").await);
}

#[tokio::test]
async fn a_file_that_gets_its_final_name() {
    let scene = Scene::of(On::Complete).await;
    let version = scene.world.put_as(1, TEMP, FINAL, "ours").await;
    let to_final = rename(TEMP, FINAL, Some(&version));
    scene.is_looked_at(&to_final, FINAL, "ours").await;
    assert!(!scene.world.is_there(TEMP).await);
}

#[tokio::test]
async fn a_file_that_is_renamed_elsewhere() {
    let scene = Scene::of(On::Copy).await;
    let version = scene.world.put_as(1, TEMP, FINAL, "ours").await;
    let elsewhere = rename(TEMP, "out/c.csv", Some(&version));
    scene.is_looked_at(&elsewhere, "out/c.csv", "ours").await;
    assert!(!scene.world.is_there(FINAL).await);
}

#[tokio::test]
async fn a_version_that_is_restored() {
    let scene = Scene::of(On::Copy).await;
    let one = scene.world.put(1, "a", "ours").await;
    let two = scene.world.receive(2, "a", "a", "ours, too").await;
    let over = Operation {
        replaces: Some(one.id),
        keep_aside: true,
        ..operation("a", Change::Publish, Some(&two))
    };
    scene.world.bucket.run(&over).await.unwrap();
    let restore = operation("a", Change::Restore, Some(&one));
    scene.is_looked_at(&restore, "a", "ours").await;
}

/// The answer to a copy is lost and the copy asked for again, or the store knows no conditions.
#[tokio::test]
async fn our_own_copy_is_not_taken_for_theirs() {
    for (times, what) in [
        (1, What::DoneThenCut),
        (4, What::DoneThenCut),
        (1, What::Answer(501, "NotImplemented")),
    ] {
        let scene = Scene::of(On::Copy).await;
        let version: Version = scene.world.put(1, "a", "ours").await;
        scene.server.break_on(scene.on, times, what);
        let to_other = rename("a", "b", Some(&version));
        let renamed = scene.world.bucket.run(&to_other).await;
        renamed.unwrap_or_else(|error| panic!("{times} {what:?}: {}", error.chain()));
        assert_eq!(&scene.world.read("b").await[..], b"ours");
        assert!(!scene.world.is_there("a").await);
    }
}

/// It has told once that no completion depends on what is there: a copy in parts ends with one.
#[tokio::test]
async fn a_long_copy_is_not_made_twice_to_learn_what_is_known() {
    let scene = Scene::of(On::Complete).await;
    let unknown = What::Answer(501, "NotImplemented");
    scene.server.break_on(scene.on, 1, unknown);
    let version = scene.world.put(1, "a", some_bytes(LONG)).await;
    assert_eq!(scene.server.faults_left(), 0);
    scene.server.break_on(scene.on, 1, What::Overtaken);
    scene.server.forget_requests();
    let to_other = rename("a", "b", Some(&version));
    scene.world.bucket.run(&to_other).await.unwrap();
    assert_eq!(scene.server.faults_left(), 0);
    assert!(scene.world.read("b").await == some_bytes(LONG));
    let requests = scene.server.requests();
    let is_part = |line: &&String| line.contains("partNumber=");
    let copied = requests.iter().filter(is_part).count();
    let part = usize::try_from(LIMITS.copy_bytes_max).unwrap();
    assert_eq!(copied, LONG.div_ceil(part));
}
