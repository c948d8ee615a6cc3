//! Uploads that stream into a store while they come.

use sha2::{Digest as _, Sha256};
use std::time::Duration;

use qm_core::config::S3Place;
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Bucket as _, Chunk, DigestBy, Staged, Staging};

use super::moto::Moto;
use super::server::{On, Server, What};
use super::world::{BUCKET, LIMITS, World, key, operation, place, rename, sdk_config, some_bytes};
use qm_core::id::VersionId;
use qm_store::{Arena, S3Bucket, S3Contents, S3Options};

const PART: usize = 16 << 20;

pub(super) fn staging(number: u128, path: &str) -> Staging {
    Staging {
        version: VersionId::from_parts(1, number),
        key: key(path),
        final_key: key(path),
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: None,
    }
}

/// Sends a stretch of [`some_bytes`] as a client does: by pieces.
pub(super) async fn send(staged: &mut dyn Staged, from: usize, to: usize) {
    let all = some_bytes(to);
    for offset in (from..to).step_by(1 << 20) {
        let bytes = all.slice(offset..to.min(offset + (1 << 20)));
        let offset = offset as u64;
        staged.write(vec![Chunk { offset, bytes }]).await.unwrap();
    }
}

pub(super) async fn sealed(staged: &mut dyn Staged) -> Version {
    let sealed = staged.seal().await.unwrap();
    let bytes = some_bytes(usize::try_from(sealed.size_bytes).unwrap());
    assert_eq!(sealed.sha256.0, <[u8; 32]>::from(Sha256::digest(&bytes)));
    Version {
        id: staged.version(),
        size_bytes: sealed.size_bytes,
        sha256: sealed.sha256,
        identity: sealed.identity,
        staged: staged.token(),
        received_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

pub(super) async fn publish(bucket: &S3Bucket, path: &str, version: &Version) {
    let publish = operation(path, Change::Publish, Some(version));
    bucket.run(&publish).await.unwrap();
}

/// What is said of parts in documents about S3, asked of a server: an upload of one empty part, and
/// an empty part behind others.
async fn every_length_is_taken(world: &World) {
    for (number, length) in [0, 1, PART, PART + 1].into_iter().enumerate() {
        let name = format!("in/{length}");
        let temp = format!("{name}.part");
        let version = world
            .put_as(number as u64, &temp, &name, some_bytes(length))
            .await;
        world
            .bucket
            .run(&rename(&temp, &name, Some(&version)))
            .await
            .unwrap();
        assert_eq!(world.read(&name).await, some_bytes(length), "{length}");
    }
    let mut staged = world.bucket.stage(staging(9, "cut")).await.unwrap();
    send(&mut *staged, 0, PART + 5).await;
    sealed(&mut *staged).await;
    staged.set_size(PART as u64).await.unwrap();
    let version = sealed(&mut *staged).await;
    publish(&world.bucket, "cut", &version).await;
    assert_eq!(world.read("cut").await, some_bytes(PART));
    world.assert_no_uploads().await;
}

async fn goes_on_after_a_restart(place: &S3Place) {
    goes_on_elsewhere(place, place).await;
}

/// The place may be described otherwise after the restart.
async fn goes_on_elsewhere(begun: &S3Place, resumed: &S3Place) {
    let before = World::open(begun).await;
    let mut staged = before.bucket.stage(staging(1, "long")).await.unwrap();
    send(&mut *staged, 0, PART + 1000).await;
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    drop((staged, before));
    let after = World::open(resumed).await;
    assert_eq!(
        after.bucket.leftovers().await.unwrap(),
        std::slice::from_ref(&parked.token)
    );
    let resumed = after.bucket.resume(staging(1, "long"), &parked).await;
    let mut resumed = resumed.unwrap().expect("it is still there");
    assert_eq!(resumed.size_bytes(), PART as u64);
    send(&mut *resumed, PART, PART + (2 << 20)).await;
    let version = sealed(&mut *resumed).await;
    publish(&after.bucket, "long", &version).await;
    assert_eq!(after.read("long").await, some_bytes(PART + (2 << 20)));
    assert!(
        after
            .bucket
            .resume(staging(1, "long"), &parked)
            .await
            .unwrap()
            .is_none(),
        "it is complete"
    );
    after.assert_no_uploads().await;
}

#[tokio::test]
async fn every_length_on_s3s() {
    let server = Server::start().await;
    every_length_is_taken(&World::open(&place(server.endpoint(), BUCKET, "data")).await).await;
}

#[tokio::test]
async fn foreign_every_length_on_moto() {
    let moto = Moto::start().await;
    moto.make_bucket(BUCKET).await;
    every_length_is_taken(&World::open(&place(&moto.endpoint, BUCKET, "data")).await).await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_on_s3s() {
    let server = Server::start().await;
    goes_on_after_a_restart(&place(server.endpoint(), BUCKET, "resumed")).await;
}

#[tokio::test]
async fn foreign_an_upload_goes_on_after_a_restart_on_moto() {
    let moto = Moto::start().await;
    moto.make_bucket(BUCKET).await;
    goes_on_after_a_restart(&place(&moto.endpoint, BUCKET, "resumed")).await;
}

/// As Amazon wants it: an upload is begun with the algorithm, and completed with the checksum of
/// every part, whether sent, resumed or copied.
#[tokio::test]
async fn parts_have_the_checksum_that_their_upload_was_begun_with() {
    let server = Server::start().await;
    let mut place = place(server.endpoint(), BUCKET, "sums");
    place.checksums = true;
    let world = World::open(&place).await;
    every_length_is_taken(&world).await;
    goes_on_after_a_restart(&place).await;
    let version = world.put(10, "whole", some_bytes(6 << 20)).await;
    let to = rename("whole", "copied", Some(&version));
    world.bucket.run(&to).await.unwrap();
    assert_eq!(world.read("copied").await, some_bytes(6 << 20));
    let begun = |line: &str| line.starts_with("POST ") && line.contains("?uploads");
    let requests = server.requests();
    let uploads = requests.iter().filter(|line| begun(line.as_str())).count();
    assert!(uploads > 0, "{requests:#?}");
    assert_eq!(server.checksum_algorithms(), vec!["CRC32"; uploads]);
}

/// The setting may be changed between the sessions: the store wants the parts as the upload was
/// begun.
#[tokio::test]
async fn an_upload_goes_on_with_the_checksums_that_it_was_begun_with() {
    let server = Server::start().await;
    for checksums in [true, false] {
        let begun = S3Place {
            checksums,
            ..place(server.endpoint(), BUCKET, &format!("begun-{checksums}"))
        };
        let resumed = S3Place {
            checksums: !checksums,
            ..begun.clone()
        };
        goes_on_elsewhere(&begun, &resumed).await;
    }
}

/// With no memory to speak of every part is read from a file, twice if it must be sent twice.
async fn parts_are_sent_from_files(checksums: bool) {
    let server = Server::start().await;
    let spill = tempfile::tempdir().unwrap();
    let mut place = place(server.endpoint(), BUCKET, "data");
    place.checksums = checksums;
    let options = S3Options {
        arena: Arena::open(1 << 20, spill.path()).unwrap(),
        contents: S3Contents::Clear,
        limits: LIMITS,
    };
    let config = sdk_config(server.endpoint()).await;
    let bucket = S3Bucket::connect(&config, &place, options).await.unwrap();
    server.break_on(On::Part, 1, What::Answer(503, "SlowDown"));
    for (number, length) in [(1, PART + (3 << 20) + 7), (2, (1 << 20) + 1)] {
        let name = format!("spilled-{number}");
        let mut staged = bucket.stage(staging(number, &name)).await.unwrap();
        send(&mut *staged, 0, length).await;
        let version = sealed(&mut *staged).await;
        publish(&bucket, &name, &version).await;
        let world = World::open(&place).await;
        assert_eq!(world.read(&name).await, some_bytes(length));
    }
    assert_eq!(server.faults_left(), 0);
    assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn parts_are_sent_from_files_when_memory_is_short() {
    parts_are_sent_from_files(false).await;
}

#[tokio::test]
async fn parts_from_files_have_checksums() {
    parts_are_sent_from_files(true).await;
}

#[tokio::test]
async fn a_lost_session_leaves_no_upload() {
    let server = Server::start().await;
    let world = World::open(&place(server.endpoint(), BUCKET, "data")).await;
    let mut staged = world.bucket.stage(staging(1, "lost")).await.unwrap();
    send(&mut *staged, 0, PART + 1).await;
    assert_eq!(world.bucket.leftovers().await.unwrap().len(), 1);
    drop(staged);
    let gone = tokio::time::timeout(Duration::from_secs(20), async {
        while !world.bucket.leftovers().await.unwrap().is_empty() || world.arena.used_bytes() > 0 {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("the upload or its memory is still there");
}
