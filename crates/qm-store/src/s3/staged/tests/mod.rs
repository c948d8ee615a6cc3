//! Streaming uploads into a store in memory that knows the rules of S3.

mod drops;
mod memory;
mod order;
mod resume;
mod sink;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

use super::super::arena::Arena;
use super::super::part_plan::PartPlan;
use super::super::small_files::SmallFiles;
use super::{Parts, StagedUpload};
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::name::ObjectKey;
use qm_core::ports::bucket::{Chunk, DigestBy, Sealed, Staged as _, Staging};
use sink::MemorySink;

/// So long is a part in most tests.
const PART: u64 = 1_000;

struct Room {
    folder: tempfile::TempDir,
    sink: Arc<MemorySink>,
    parts: Parts,
    plan: PartPlan,
}

impl Room {
    fn new() -> Self {
        Self::with(PART, 1 << 20)
    }

    fn with(part_bytes: u64, memory_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sink = Arc::new(MemorySink::default());
        let arena = Arena::open(memory_bytes, folder.path()).unwrap();
        let parts = Parts {
            sink: Arc::clone(&sink) as _,
            arena,
            small_files: Arc::default(),
        };
        Self {
            folder,
            sink,
            parts,
            plan: PartPlan::short(part_bytes),
        }
    }

    fn upload(&self, staging: &Staging) -> StagedUpload {
        StagedUpload::new(self.parts.clone(), self.plan, staging)
    }

    /// What publishing would make of sealed bytes.
    fn published(&self, upload: &StagedUpload) -> Vec<u8> {
        if let Some(file) = self.parts.small_files.get(upload.version) {
            assert_eq!(upload.token(), None);
            return sink::read(&file.body);
        }
        self.sink.complete(&upload.token().unwrap(), PART)
    }

    /// Another process: what is in memory is gone, the store is not.
    fn restarted(&self) -> Self {
        let mut other = Self::new();
        other.sink = Arc::clone(&self.sink);
        other.parts.sink = Arc::clone(&self.sink) as _;
        other
    }

    /// Waits until no task has anything to do with the store, and no memory is used.
    async fn quiet(&self) {
        let is_quiet = || Arc::strong_count(&self.sink) == 2 && self.parts.arena.used_bytes() == 0;
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while !is_quiet() {
                tokio::task::yield_now().await;
            }
        });
        assert!(waited.await.is_ok(), "{} uploads", self.sink.uploads());
    }

    fn small_files(&self) -> &SmallFiles {
        &self.parts.small_files
    }
}

/// For a file that has its final name.
fn final_name(number: u128) -> Staging {
    let key = ObjectKey::parse("in/a.csv").unwrap();
    Staging {
        version: VersionId::from_parts(1, number),
        key: key.clone(),
        final_key: key,
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: None,
    }
}

fn temp_name(number: u128) -> Staging {
    Staging {
        key: ObjectKey::parse("in/a.csv.filepart").unwrap(),
        ..final_name(number)
    }
}

/// Bytes of which no two stretches are alike.
fn sample(length: u64) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at * at / 7 + at) % 251).unwrap())
        .collect()
}

fn chunk(offset: u64, bytes: &[u8]) -> Chunk {
    Chunk {
        offset,
        bytes: Bytes::copy_from_slice(bytes),
    }
}

/// Writes a stretch of `content`.
async fn write(upload: &mut StagedUpload, content: &[u8], from: u64, to: u64) {
    let stretch = &content[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
    upload.write(vec![chunk(from, stretch)]).await.unwrap();
}

fn assert_sealed(sealed: &Sealed, upload: &StagedUpload, content: &[u8]) {
    assert_eq!(
        *sealed,
        Sealed {
            size_bytes: content.len() as u64,
            sha256: Sha256Digest(Sha256::digest(content).into()),
            identity: upload.version.to_string(),
        }
    );
}
