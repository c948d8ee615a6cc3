//! The buckets, each where it really is.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[cfg(all(feature = "gcs", feature = "azure"))]
mod cloud;
mod confinement;
mod s3;
mod sealing;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use qm_core::ports::bucket::Bucket;
use qm_store::{DirectoryBucket, Durability};
use qm_testkit::contract::bucket as contract;

#[tokio::test]
async fn a_directory_is_a_bucket() {
    let folders = Folders::new();
    let fresh = || folders.bucket(DirectoryBucket::open);
    contract::all(&fresh, &contract::Promises::DIRECTORY).await;
}

#[tokio::test]
async fn a_directory_keeps_envelopes() {
    let folders = Folders::new();
    let fresh = || folders.bucket(DirectoryBucket::open_sealed);
    contract::all(&fresh, &contract::Promises::DIRECTORY).await;
    contract::envelopes(&fresh, &contract::Promises::DIRECTORY).await;
}

/// A folder for every bucket.
struct Folders {
    root: tempfile::TempDir,
    number: AtomicU32,
}

impl Folders {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            number: AtomicU32::new(0),
        }
    }

    fn bucket(
        &self,
        open: impl Fn(&Path, Durability) -> qm_core::Result<DirectoryBucket>,
    ) -> Arc<dyn Bucket> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let place = self.root.path().join(number.to_string());
        Arc::new(open(&place, Durability::Full).unwrap())
    }
}

#[test]
fn a_bucket_has_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let first = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
    let second = DirectoryBucket::open(folder.path(), Durability::Full).map(|_| ());
    let refusal = second.unwrap_err();
    assert_eq!(refusal.kind(), qm_core::Kind::Conflict);
    assert!(
        refusal.public_message().contains("another node"),
        "{}",
        refusal.public_message()
    );
    drop(first);
    DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
}

#[test]
fn a_shared_bucket_has_as_many_nodes_as_open_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let shared = || DirectoryBucket::open_shared(folder.path(), Durability::Full, false);
    let nodes = [shared().unwrap(), shared().unwrap()];
    let alone = DirectoryBucket::open(folder.path(), Durability::Full).map(|_| ());
    assert_eq!(alone.unwrap_err().kind(), qm_core::Kind::Conflict);
    drop(nodes);
    let _alone = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
    assert_eq!(
        shared().map(|_| ()).unwrap_err().kind(),
        qm_core::Kind::Conflict
    );
}

#[tokio::test]
async fn a_version_is_staged_once() {
    let folders = Folders::new();
    let bucket = folders.bucket(DirectoryBucket::open);
    let staging = sealing::staging(1);
    let _taken = bucket.stage(staging.clone()).await.unwrap();
    let again = bucket.stage(staging).await.map(|_| ());
    assert_eq!(again.unwrap_err().kind(), qm_core::Kind::AlreadyExists);
}
