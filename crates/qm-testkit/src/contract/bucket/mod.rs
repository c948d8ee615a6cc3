//! What every bucket must do. [`all`] runs every case against a fresh bucket; where kinds of
//! buckets differ, [`Promises`] says what this one promises.
#![expect(
    clippy::unwrap_used,
    reason = "a suite panics where the contract is broken"
)]

mod deposits;
mod envelopes;
mod folders;
mod operations;
mod staging;

use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;

use qm_core::id::{BucketName, OperationSeq, Sha256Digest, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, DigestBy, Staged, Staging};

pub use envelopes::envelopes;

/// SHA-256 of `hello world`.
const HELLO_WORLD: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

/// What a bucket promises where kinds of buckets differ.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// What can be continued after a lost session.
    pub resumes: Resumes,
    /// Whether folders are things of their own.
    pub folders: Folders,
    /// Whether staged bytes can be read back at any time.
    pub staged_reads: StagedReads,
    /// What becomes of superseded bytes that nobody asked to keep.
    pub superseded: Superseded,
    /// What becomes of an open file that is replaced.
    pub open_files: OpenFiles,
    /// A listing never has more entries at once.
    pub entries_max: usize,
}

/// What can be continued after a lost session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resumes {
    /// Every byte.
    Everything,
    /// Whole parts; an upload of so many bytes fills at least one.
    Parts(u32),
    /// Nothing: the upload begins anew.
    Nothing,
}

/// Whether folders are things of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Folders {
    /// They must be there before what is in them.
    Real,
    /// They are there because of what is in them, too.
    Implied,
}

/// Whether staged bytes can be read back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StagedReads {
    /// At any time.
    Always,
    /// It may be refused.
    Refused,
}

/// What becomes of superseded bytes that nobody asked to keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Superseded {
    /// They go at once.
    Gone,
    /// The store may keep them by its own rules.
    MayStay,
}

/// What becomes of an open file that is replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenFiles {
    /// It can be read to its end.
    Stay,
    /// Reading it may fail, but never shows other bytes.
    MayFail,
}

impl Promises {
    /// Those of a directory bucket, sealed or not.
    pub const DIRECTORY: Self = Self {
        resumes: Resumes::Everything,
        folders: Folders::Real,
        staged_reads: StagedReads::Always,
        superseded: Superseded::Gone,
        open_files: OpenFiles::Stay,
        entries_max: 128,
    };
}

/// Runs every case; `fresh` makes an empty bucket.
pub async fn all(fresh: &dyn Fn() -> Arc<dyn Bucket>, promises: &Promises) {
    staging::order_does_not_matter(&*fresh(), promises).await;
    staging::large_pieces_in_any_order(&*fresh(), promises).await;
    staging::a_hole_is_refused(&*fresh()).await;
    staging::what_is_sealed_can_be_changed_and_sealed_again(&*fresh()).await;
    staging::resumed_after_a_lost_session(&*fresh(), promises).await;
    staging::only_what_has_no_hole_is_resumed(&*fresh(), promises).await;
    staging::a_parked_upload_without_bytes_begins_anew(&*fresh()).await;
    staging::a_write_of_nothing_changes_nothing(&*fresh()).await;
    staging::discarded(&*fresh()).await;
    operations::a_moved_version_is_found_if_it_is_kept(&*fresh()).await;
    operations::published_read_and_replaced(&*fresh()).await;
    operations::every_operation_can_be_run_again(&*fresh()).await;
    operations::superseded_versions_are_kept_aside(&*fresh(), promises).await;
    operations::what_is_current_is_never_released(&*fresh()).await;
    operations::renamed_over_another(&*fresh()).await;
    operations::removed_unless_it_is_another(&*fresh()).await;
    operations::restored(&*fresh()).await;
    operations::bytes_that_are_gone_are_not_published(&*fresh()).await;
    operations::an_open_file_does_not_change(&*fresh(), promises).await;
    deposits::a_deposit_appears_whole(&*fresh()).await;
    deposits::a_deposit_can_be_put_again(&*fresh()).await;
    deposits::only_what_was_seen_is_replaced(&*fresh()).await;
    deposits::only_what_was_seen_is_withdrawn(&*fresh()).await;
    deposits::an_earlier_attempt_is_replaced(&*fresh(), promises).await;
    deposits::a_deposit_is_a_file_like_any_other(&*fresh()).await;
    if promises.folders == Folders::Real {
        deposits::a_folder_is_not_replaced(&*fresh()).await;
        operations::no_folder_no_publication(&*fresh()).await;
        folders::a_folder_needs_its_parent(&*fresh()).await;
    }
    folders::made_listed_renamed_removed(&*fresh()).await;
    folders::listings_tell_sizes(&*fresh()).await;
    folders::a_large_folder_comes_in_batches(&*fresh(), promises).await;
    if fresh().keeps_attributes() {
        folders::attributes_are_kept(&*fresh()).await;
    }
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

/// What a version is staged for: to be published as `a`.
fn staging(number: u64) -> Staging {
    staging_for(number, "a")
}

fn staging_for(number: u64, path: &str) -> Staging {
    Staging {
        version: version_id(number),
        key: key(path),
        final_key: key(path),
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: None,
    }
}

/// Stages, writes and seals, to be published as `a`.
async fn received(bucket: &dyn Bucket, number: u64, text: &str) -> Version {
    received_for(bucket, number, "a", text).await
}

async fn received_for(bucket: &dyn Bucket, number: u64, path: &str, text: &str) -> Version {
    let mut staged = bucket.stage(staging_for(number, path)).await.unwrap();
    if !text.is_empty() {
        staged.write(vec![chunk(0, text)]).await.unwrap();
    }
    sealed(&mut *staged).await
}

async fn sealed(staged: &mut dyn Staged) -> Version {
    let sealed = staged.seal().await.unwrap();
    Version {
        staged: staged.token(),
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
        is_hidden: false,
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
