//! What every bucket must do. [`all`] runs every case against a fresh bucket.
#![expect(
    clippy::unwrap_used,
    reason = "a suite panics where the contract is broken"
)]

mod folders;
mod operations;
mod staging;

use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;

use qm_core::id::{BucketName, OperationSeq, Sha256Digest, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, Staged};

/// SHA-256 of `hello world`.
const HELLO_WORLD: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

/// Runs every case; `fresh` makes an empty bucket.
pub async fn all(fresh: &dyn Fn() -> Arc<dyn Bucket>) {
    staging::order_does_not_matter(&*fresh()).await;
    staging::a_hole_is_refused(&*fresh()).await;
    staging::what_is_sealed_can_be_changed_and_sealed_again(&*fresh()).await;
    staging::resumed_after_a_lost_session(&*fresh()).await;
    staging::only_what_has_no_hole_is_resumed(&*fresh()).await;
    staging::discarded(&*fresh()).await;
    operations::a_moved_version_is_found_if_it_is_kept(&*fresh()).await;
    operations::published_read_and_replaced(&*fresh()).await;
    operations::every_operation_can_be_run_again(&*fresh()).await;
    operations::superseded_versions_are_kept_aside(&*fresh()).await;
    operations::renamed_over_another(&*fresh()).await;
    operations::removed_unless_it_is_another(&*fresh()).await;
    operations::restored(&*fresh()).await;
    operations::no_folder_no_publication(&*fresh()).await;
    operations::an_open_file_does_not_change(&*fresh()).await;
    folders::made_listed_renamed_removed(&*fresh()).await;
    folders::a_large_folder_comes_in_batches(&*fresh()).await;
    folders::attributes_are_kept(&*fresh()).await;
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

fn version_id(number: u64) -> VersionId {
    VersionId::from_parts(1, number.into())
}

fn chunk(offset: u64, bytes: &str) -> Chunk {
    Chunk {
        offset,
        bytes: Bytes::copy_from_slice(bytes.as_bytes()),
    }
}

/// Stages, writes and seals.
async fn received(bucket: &dyn Bucket, number: u64, text: &str) -> Version {
    let mut staged = bucket.stage(version_id(number)).await.unwrap();
    if !text.is_empty() {
        staged.write(vec![chunk(0, text)]).await.unwrap();
    }
    sealed(&mut *staged).await
}

async fn sealed(staged: &mut dyn Staged) -> Version {
    let sealed = staged.seal().await.unwrap();
    Version {
        id: staged.version(),
        size_bytes: sealed.size_bytes,
        sha256: sealed.sha256,
        identity: sealed.identity,
        received_at: Timestamp::UNIX_EPOCH,
    }
}

/// An operation as the ledger would return it.
fn operation(
    path: &str,
    change: Change,
    version: Option<&Version>,
    keeps: Option<&Version>,
) -> Operation {
    Operation {
        seq: OperationSeq(1),
        path: ObjectPath {
            bucket: BucketName::parse("b").unwrap(),
            key: key(path),
        },
        change,
        version: version.cloned(),
        replaces: keeps.map(|version| version.id),
        keep_aside: keeps.is_some(),
        keep_moved: false,
    }
}

async fn publish(bucket: &dyn Bucket, path: &str, version: &Version) {
    bucket
        .run(&operation(path, Change::Publish, Some(version), None))
        .await
        .unwrap();
}

async fn text(content: &dyn Content) -> String {
    let bytes = content.read(0, 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is under a key; `None` if nothing.
async fn shown(bucket: &dyn Bucket, path: &str) -> Option<String> {
    match bucket.open(&key(path)).await {
        Ok(content) => Some(text(&*content).await),
        Err(error) => {
            assert_eq!(error.kind(), qm_core::Kind::NotFound, "{}", error.chain());
            None
        }
    }
}

/// The bytes of a version, wherever they are.
async fn bytes_of(bucket: &dyn Bucket, version: &Version, path: &str) -> Option<String> {
    match bucket
        .open_version(version.id, &key(path), &version.identity)
        .await
    {
        Ok(content) => Some(text(&*content).await),
        Err(error) => {
            assert_eq!(error.kind(), qm_core::Kind::NotFound, "{}", error.chain());
            None
        }
    }
}

fn hello_world() -> Sha256Digest {
    HELLO_WORLD.parse().unwrap()
}
