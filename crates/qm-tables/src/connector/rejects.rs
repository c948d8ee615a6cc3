//! Rejected rows as an object of a bucket: staged while the file is read, published whole before the
//! rows that were good show. A delivery writes the same bytes in every attempt.

use bytes::Bytes;
use qm_core::config::Rejects;
use qm_core::delivery::Delivery;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::bucket::{Bucket, Chunk, DigestBy, Sealed, Staged, Staging};
use qm_core::ports::deposit::{Deposit, Put};
use qm_core::{Error, Kind, Result, Retry};
use qm_rows::{Reject, RejectsWriter};
use std::sync::Arc;

/// Rejects are staged in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;

/// Where the rejected rows of a delivery are.
pub(super) fn path(rejects: &Rejects, delivery: &Delivery) -> Result<ObjectPath> {
    let key = super::rejects_key(rejects, delivery)?;
    Ok(super::path_of(rejects, key))
}

/// Rejects on their way.
pub(super) struct RejectsFile {
    bucket: Arc<dyn Bucket>,
    path: ObjectPath,
    version: Version,
    deposit: Deposit,
    writer: RejectsWriter,
    buffer: Vec<u8>,
    staged: Option<Box<dyn Staged>>,
    size_bytes: u64,
}

impl RejectsFile {
    /// Nothing staged yet.
    pub(super) fn new(
        rejects: &Rejects,
        bucket: super::OpenBucket,
        delivery: &Delivery,
    ) -> Result<Self> {
        Ok(Self {
            bucket,
            path: path(rejects, delivery)?,
            version: version(delivery),
            deposit: Deposit {
                delivery: delivery.id,
                owner_full_control: false,
            },
            writer: RejectsWriter::new(rejects.format),
            buffer: Vec::new(),
            staged: None,
            size_bytes: 0,
        })
    }

    /// Takes rejects, in the file's order.
    pub(super) async fn write(&mut self, rejects: &[Reject]) -> Result<()> {
        self.writer.write(rejects, &mut self.buffer);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Makes them an object.
    pub(super) async fn publish(mut self) -> Result<ObjectPath> {
        let published = self.try_publish().await;
        if published.is_err() {
            self.discard().await;
        }
        published?;
        Ok(self.path)
    }

    /// Forgets what is staged.
    pub(super) async fn discard(&mut self) {
        if let Some(token) = self.staged.take().and_then(|staged| staged.token()) {
            // What stays is swept at the next start.
            drop(self.bucket.discard(&token).await);
        }
    }

    async fn try_publish(&mut self) -> Result<()> {
        let writer = std::mem::replace(
            &mut self.writer,
            RejectsWriter::new(qm_core::config::RejectsFormat::Json),
        );
        writer.finish(&mut self.buffer);
        self.flush().await?;
        let key = &self.path.key;
        let bucket = Arc::clone(&self.bucket);
        let Some(staged) = &mut self.staged else {
            return Ok(());
        };
        let sealed = staged.seal().await?;
        let there = bucket.identity(key).await?;
        if there.is_some() && is_same(&*bucket, key, &mut **staged, &sealed).await? {
            self.discard().await;
            return Ok(());
        }
        let version = Version {
            size_bytes: sealed.size_bytes,
            sha256: sealed.sha256,
            identity: sealed.identity,
            staged: staged.token(),
            ..self.version.clone()
        };
        let put = Put {
            key,
            version: &version,
            deposit: self.deposit,
            replaces: there.as_deref(),
        };
        bucket.put(put).await.map_err(again)
    }

    async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let offset = self.size_bytes;
        self.size_bytes += bytes.len() as u64;
        let staged = match &mut self.staged {
            Some(staged) => staged,
            none => none.insert(
                self.bucket
                    .stage(staging(&self.version, &self.path.key, self.deposit))
                    .await?,
            ),
        };
        staged.write(vec![Chunk { offset, bytes }]).await
    }
}

fn staging(version: &Version, key: &ObjectKey, deposit: Deposit) -> Staging {
    Staging {
        version: version.id,
        key: key.clone(),
        final_key: key.clone(),
        size_hint: None,
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: Some(deposit),
    }
}

/// An object of its own for each attempt: one that goes by another declaration has other bytes, and
/// a store would take them for the same by their version.
fn version(delivery: &Delivery) -> Version {
    let milliseconds = u64::try_from(delivery.arrived_at.as_millisecond()).unwrap_or_default();
    let text = delivery.id.to_string();
    let bits = u128::from_str_radix(text.get(..20).unwrap_or_default(), 16).unwrap_or_default();
    let fence = u128::from(delivery.fence.unsigned_abs());
    let id = VersionId::from_parts(milliseconds, bits ^ fence);
    Version {
        id,
        identity: id.to_string(),
        staged: None,
        ..delivery.version.clone()
    }
}

/// True if an earlier attempt published just these bytes.
async fn is_same(
    bucket: &dyn Bucket,
    key: &ObjectKey,
    staged: &mut dyn Staged,
    sealed: &Sealed,
) -> Result<bool> {
    let content = match bucket.open(key).await {
        Err(error) if error.kind() == Kind::NotFound => return Ok(false),
        content => content?,
    };
    if content.size_bytes() != sealed.size_bytes {
        return Ok(false);
    }
    let length = u32::try_from(PIECE_BYTES).unwrap_or(u32::MAX);
    let mut offset = 0;
    while offset < sealed.size_bytes {
        let there = content.read(offset, length).await?;
        let count = u32::try_from(there.len()).unwrap_or(length);
        if count == 0 || staged.read(offset, count).await? != there {
            return Ok(false);
        }
        offset += u64::from(count);
    }
    Ok(true)
}

/// What changed at the name meanwhile is looked at again by the next attempt.
fn again(error: Error) -> Error {
    if matches!(error.kind(), Kind::Conflict | Kind::NotFound) {
        return error.retry(Retry::Later);
    }
    error
}
