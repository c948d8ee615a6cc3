//! Bytes being received: written in any order, digested as they come in order, sealed once.

use async_trait::async_trait;
use aws_lc_rs::digest;
use bytes::Bytes;
use std::sync::Arc;

use crate::coverage::Coverage;
use crate::disk::{Disk, DiskFile};
use crate::errors::{blocking, io_error};
use crate::folder_sync::FolderSyncs;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::ports::bucket::{Attributes, Chunk, Sealed, Staged};
use qm_core::{Error, Kind, Result};

/// Read back for the digest when writes came out of order.
const CATCH_UP_BYTES: usize = 256 * 1024;

pub(crate) struct StagedFile {
    version: VersionId,
    size_bytes: u64,
    /// Taken while blocking I/O runs; gone for good if that was cut off.
    inner: Option<Box<Inner>>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    folder_syncs: Arc<FolderSyncs>,
    folder: &'static str,
    file: Box<dyn DiskFile>,
    coverage: Coverage,
    size_bytes: u64,
    digest: digest::Context,
    /// The digest covers `0..digested_bytes`.
    digested_bytes: u64,
}

impl StagedFile {
    /// Around a file that holds `received_bytes` already.
    pub(crate) fn new(
        version: VersionId,
        file: Box<dyn DiskFile>,
        received_bytes: u64,
        disk: Arc<dyn Disk>,
        folder_syncs: Arc<FolderSyncs>,
        folder: &'static str,
    ) -> Self {
        let mut coverage = Coverage::default();
        coverage.add(0, received_bytes);
        let inner = Inner {
            disk,
            folder_syncs,
            folder,
            file,
            coverage,
            size_bytes: received_bytes,
            digest: digest::Context::new(&digest::SHA256),
            digested_bytes: 0,
        };
        Self {
            version,
            size_bytes: received_bytes,
            inner: Some(Box::new(inner)),
        }
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut inner = self.inner.take().ok_or_else(failed)?;
        let (inner, result) = blocking(move || {
            let result = work(&mut inner);
            Ok((inner, result))
        })
        .await?;
        self.size_bytes = inner.size_bytes;
        self.inner = Some(inner);
        result
    }
}

#[async_trait]
impl Staged for StagedFile {
    fn version(&self) -> VersionId {
        self.version
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        self.with(move |inner| chunks.iter().try_for_each(|chunk| inner.write(chunk)))
            .await
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        self.with(move |inner| {
            let left = inner
                .size_bytes
                .saturating_sub(offset)
                .min(u64::from(length));
            let mut buffer = vec![0; usize::try_from(left).unwrap_or_default()];
            let read = inner
                .file
                .read_at(&mut buffer, offset)
                .map_err(io_error("read staged bytes"))?;
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        })
        .await
    }

    async fn keep_contiguous(&mut self) -> Result<u64> {
        self.with(|inner| {
            inner.set_size(inner.coverage.contiguous())?;
            inner.sync()?;
            Ok(inner.size_bytes)
        })
        .await
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        self.with(move |inner| inner.set_size(size_bytes)).await
    }

    async fn flush(&mut self) -> Result<()> {
        self.with(|inner| inner.sync()).await
    }

    async fn seal(&mut self) -> Result<Sealed> {
        self.with(Inner::seal).await
    }

    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()> {
        // Changes what the kernel holds, waits for no disk: not worth another thread's waking.
        let inner = self.inner.as_ref().ok_or_else(failed)?;
        inner
            .file
            .set_attributes(attributes.modified, attributes.mode)
            .map_err(io_error("set attributes of staged bytes"))
    }
}

fn failed() -> Error {
    Error::new(
        Kind::Conflict,
        "this upload has failed; please send the file again",
    )
}

impl Inner {
    fn write(&mut self, chunk: &Chunk) -> Result<()> {
        let end = chunk
            .offset
            .checked_add(chunk.bytes.len() as u64)
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| Error::new(Kind::Invalid, "the file is larger than any disk"))?;
        self.file
            .write_at(&chunk.bytes, chunk.offset)
            .map_err(io_error("write staged bytes"))?;
        if !self.coverage.add(chunk.offset, end) {
            return Err(Error::new(
                Kind::Limit,
                "the file was sent in too many separate pieces",
            ));
        }
        self.size_bytes = self.size_bytes.max(end);
        if chunk.offset == self.digested_bytes {
            self.digest.update(&chunk.bytes);
            self.digested_bytes = end;
        } else if chunk.offset < self.digested_bytes {
            self.restart_digest();
        }
        Ok(())
    }

    fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        self.file
            .set_len(size_bytes)
            .map_err(io_error("set the size of staged bytes"))?;
        self.coverage.cut(size_bytes);
        self.size_bytes = size_bytes;
        if self.digested_bytes > size_bytes {
            self.restart_digest();
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<Sealed> {
        if let Some(offset) = self.coverage.hole(self.size_bytes) {
            return Err(Error::new(
                Kind::Invalid,
                format!("the file is incomplete: nothing was sent for byte {offset} and on"),
            ));
        }
        self.catch_up()?;
        let finished = self.digest.clone().finish();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(finished.as_ref());
        self.sync()?;
        let identity = self
            .file
            .stat()
            .map_err(io_error("look at staged bytes"))?
            .identity;
        Ok(Sealed {
            size_bytes: self.size_bytes,
            sha256: Sha256Digest(sha256),
            identity,
        })
    }

    /// Bytes first, then the name: a durable name never shows bytes that are not.
    fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(io_error("make staged bytes durable"))?;
        self.folder_syncs
            .sync(self.folder, || self.disk.sync_folder(self.folder))
            .map_err(io_error("make the staging folder durable"))
    }

    /// Digests from disk what came out of order.
    fn catch_up(&mut self) -> Result<()> {
        let mut buffer = vec![0; CATCH_UP_BYTES];
        while self.digested_bytes < self.size_bytes {
            let left =
                usize::try_from(self.size_bytes - self.digested_bytes).unwrap_or(CATCH_UP_BYTES);
            let wanted = left.min(CATCH_UP_BYTES);
            let read = self
                .file
                .read_at(&mut buffer[..wanted], self.digested_bytes)
                .map_err(io_error("read staged bytes"))?;
            if read == 0 {
                return Err(Error::new(
                    Kind::Unavailable,
                    "the server lost a part of the file; please send it again",
                )
                .with("offset", self.digested_bytes));
            }
            self.digest.update(&buffer[..read]);
            self.digested_bytes += read as u64;
        }
        Ok(())
    }

    fn restart_digest(&mut self) {
        self.digest = digest::Context::new(&digest::SHA256);
        self.digested_bytes = 0;
    }
}
