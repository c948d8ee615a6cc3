//! The bytes of the version to deliver, wherever they are: a file that is renamed, replaced or
//! removed while it is read is found again where it was kept.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use qm_core::delivery::Delivery;
use qm_core::ports::bucket::{Bucket, Content};
use qm_core::ports::deposit::StoredObject;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use super::job::Job;
use super::stall::Progress;

/// A file that moves between two looks is looked for again so often.
const LOOKS_MAX: u32 = 3;

/// Content whose reads are progress.
pub(super) struct VersionContent {
    bucket: Arc<dyn Bucket>,
    delivery: Delivery,
    progress: Arc<Progress>,
    first: Arc<dyn Content>,
    /// Where it was found last.
    latest: Mutex<Arc<dyn Content>>,
}

impl VersionContent {
    pub(super) async fn open(job: &Job) -> Result<Self> {
        let source = &job.delivery.source;
        let bucket = job.ports.buckets.get(&source.bucket).ok_or_else(|| {
            Error::new(
                Kind::Refused,
                format!(
                    "bucket `{}` is not in the configuration any more",
                    source.bucket
                ),
            )
            .during("opening the version")
        })?;
        let first = find(&*bucket, &job.delivery).await?;
        Ok(Self {
            bucket,
            delivery: job.delivery.clone(),
            progress: Arc::clone(&job.progress),
            latest: Mutex::new(Arc::clone(&first)),
            first,
        })
    }
}

#[async_trait]
impl Content for VersionContent {
    fn size_bytes(&self) -> u64 {
        self.first.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        self.first.envelope()
    }

    fn stored(&self) -> Option<StoredObject> {
        self.first.stored()
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        self.progress.moves();
        let mut content = Arc::clone(&self.latest.lock());
        let mut looks = 0;
        loop {
            match content.read(offset, length).await {
                Err(error) if has_moved(&error) && looks < LOOKS_MAX => {}
                read => return read,
            }
            looks += 1;
            content = find(&*self.bucket, &self.delivery).await?;
            *self.latest.lock() = Arc::clone(&content);
        }
    }
}

async fn find(bucket: &dyn Bucket, delivery: &Delivery) -> Result<Arc<dyn Content>> {
    let (source, version) = (&delivery.source, &delivery.version);
    let opened = bucket.open_version(version.id, &source.key, &version.identity);
    let content = opened.await.map_err(|cause| unreadable(cause, delivery))?;
    Ok(content.into())
}

/// What a store answers whose object is another one by now.
fn has_moved(error: &Error) -> bool {
    matches!(error.kind(), Kind::Conflict | Kind::NotFound)
}

fn unreadable(cause: Error, delivery: &Delivery) -> Error {
    if cause.kind() != Kind::NotFound {
        return cause;
    }
    let message = "the bytes of the version are not in the bucket any more";
    Error::new(Kind::NotFound, message)
        .during("opening the version")
        .with("version", delivery.version.id)
        .with("source", delivery.source.to_string().escape_debug())
        .source(cause)
}
