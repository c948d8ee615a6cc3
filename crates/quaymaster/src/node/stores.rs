//! Buckets on S3: what all that are open share, and those that a lookup found.

use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;

use qm_connect::OpensBucket;
use qm_core::Result;
use qm_core::config::S3Place;
use qm_core::ports::bucket::Bucket;
use qm_store::{Arena, S3Bucket, S3Contents, S3Limits, S3Options};

/// The memory of all uploads into object stores together: sixteen parts in flight, however many
/// clients there are.
const ARENA_BYTES: usize = 256 * 1024 * 1024;

/// What all uploads into object stores share; opened when the first such bucket is.
#[derive(Clone)]
pub(super) struct UploadMemory {
    arena: Arc<OnceLock<Arc<Arena>>>,
    /// Where parts go that do not fit into it.
    spill: PathBuf,
}

impl UploadMemory {
    pub(super) fn new(spill: PathBuf) -> Self {
        Self {
            arena: Arc::default(),
            spill,
        }
    }

    /// Opens a bucket whose uploads use it.
    pub(super) async fn open(&self, place: &S3Place, contents: S3Contents) -> Result<S3Bucket> {
        let options = S3Options {
            arena: self.arena()?,
            contents,
            limits: S3Limits::default(),
        };
        // The clients' futures are long, and whoever waits for one has other things to hold.
        Box::pin(S3Bucket::open(place, options)).await
    }

    fn arena(&self) -> Result<Arc<Arena>> {
        if let Some(arena) = self.arena.get() {
            return Ok(Arc::clone(arena));
        }
        let arena = Arena::open(ARENA_BYTES, &self.spill)?;
        Ok(Arc::clone(self.arena.get_or_init(|| arena)))
    }
}

/// A bucket that a lookup found. One that does not answer fails the deliveries to it, not the
/// lookup, and is asked again by the next.
pub(super) struct LookedUpStore {
    place: S3Place,
    memory: UploadMemory,
    opened: OnceCell<Arc<dyn Bucket>>,
}

impl LookedUpStore {
    pub(super) fn new(place: S3Place, memory: UploadMemory) -> Self {
        Self {
            place,
            memory,
            opened: OnceCell::new(),
        }
    }

    async fn open(&self) -> Result<Arc<dyn Bucket>> {
        let bucket = self.memory.open(&self.place, S3Contents::Clear).await?;
        Ok(Arc::new(bucket))
    }
}

#[async_trait]
impl OpensBucket for LookedUpStore {
    async fn bucket(&self) -> Result<Arc<dyn Bucket>> {
        let opened = self.opened.get_or_try_init(|| self.open());
        opened.await.cloned()
    }
}
