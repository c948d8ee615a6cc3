//! Others who put a file where ours is about to be: nothing of theirs is replaced unseen.

use bytes::Bytes;
use qm_core::Kind;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::Bucket as _;
use qm_core::ports::look::Likely;

use super::server::{On, Server, What};
use super::world::{
    BUCKET, LIMITS, World, key, operation, place, put_foreign, rename, some_bytes, somebody_else,
};

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

    /// True if something lies where that version is kept.
    async fn is_copied(&self, version: &Version) -> bool {
        let others = somebody_else(self.server.endpoint()).await;
        let listed = others.list_objects_v2().bucket(BUCKET);
        let prefix = format!("data/.quaymaster/kept/{}", version.id);
        let listed = listed.prefix(prefix).send().await.unwrap();
        !listed.contents().is_empty()
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

/// An earlier version under the path: ours, or a file of others that arrived.
async fn earlier(scene: &Scene, path: &str, number: u64, is_ours: bool) -> Version {
    let world = &scene.world;
    if is_ours {
        return world.put(number, path, "earlier").await;
    }
    let others = somebody_else(scene.server.endpoint()).await;
    put_foreign(&others, BUCKET, &format!("data/{path}"), "earlier").await;
    let identity = world.bucket.identity(&key(path)).await.unwrap();
    Version {
        identity: identity.unwrap(),
        staged: None,
        ..world.receive(number, "never", "never", "earlier").await
    }
}

/// What takes the place of the earlier version under the path, which is to be kept.
async fn replacement(world: &World, path: &str, number: u64, how: &str) -> Operation {
    let (temp, other) = (format!("{path}.filepart"), format!("{path} before"));
    let change = match how {
        "small" => {
            let version = world.receive(number, path, path, "newer").await;
            operation(path, Change::Publish, Some(&version))
        }
        "in parts" => {
            let version = world.put_as(number, &temp, path, "newer").await;
            rename(&temp, path, Some(&version))
        }
        _ => {
            let version = world.put(number, &other, "newer").await;
            rename(&other, path, Some(&version))
        }
    };
    Operation {
        keep_aside: true,
        ..change
    }
}

/// The bytes that are kept as a version; `None` if there are none.
async fn kept(world: &World, path: &str, version: &Version) -> Option<Bytes> {
    match world
        .bucket
        .open_version(version.id, &key(path), &version.identity)
        .await
    {
        Ok(content) => Some(content.read(0, 100).await.unwrap()),
        Err(error) => {
            assert_eq!(error.kind(), Kind::NotFound, "{}", error.chain());
            None
        }
    }
}

/// It is gone, whoever looks for it; nobody gets their bytes for it.
#[tokio::test]
async fn what_others_put_is_not_kept_as_our_earlier_version() {
    let scene = Scene::of(On::Head).await;
    let (world, bucket) = (&scene.world, &scene.world.bucket);
    let mut number = 0;
    for how in ["small", "in parts", "renamed"] {
        // After a crash nobody knows what the name showed.
        for (is_ours, is_known) in [(true, true), (false, true), (true, false), (false, false)] {
            for times in [0, 1] {
                number += 2;
                let path = format!("a{number}");
                let about = format!("{how}, ours {is_ours}, known {is_known}, others {times}");
                let before = earlier(&scene, &path, number, is_ours).await;
                let look = bucket.look(&key(&path), Likely::File).await.unwrap();
                let change = replacement(world, &path, number + 1, how).await;
                let change = Operation {
                    replaces: Some(before.id),
                    ..change
                };
                scene.server.break_on(scene.on, times, What::Overtaken);
                let done = if is_known {
                    bucket.run_after(&look, &change).await
                } else {
                    bucket.run(&change).await
                };
                done.unwrap_or_else(|error| panic!("{about}: {}", error.chain()));
                assert_eq!(scene.server.faults_left(), 0, "{about}");
                let current = bucket.identity(&key(&path)).await.unwrap();
                let version = change.version.unwrap();
                assert_eq!(current, Some(version.identity), "{about}");
                let expect = (times == 0).then_some(Bytes::from_static(b"earlier"));
                assert_eq!(kept(world, &path, &before).await, expect, "{about}");
                let is_copied = scene.is_copied(&before).await;
                assert_eq!(is_copied, times == 0 || !is_known, "{about}");
            }
        }
    }
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
