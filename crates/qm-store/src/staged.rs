//! Bytes being received: written in any order, digested as they come in order, sealed once.

use async_trait::async_trait;
use aws_lc_rs::digest;
use bytes::Bytes;
use std::sync::Arc;

use crate::coverage::Coverage;
use crate::disk::{Disk, DiskFile};
use crate::errors::{failed, incomplete, io_error, scattered, too_large};
use crate::folder_sync::FolderSyncs;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Attributes, Chunk, DigestBy, Parked, Sealed, Staged};
use qm_core::{Error, Kind, Result};

/// Read back for the digest when writes came out of order.
const CATCH_UP_BYTES: usize = 256 * 1024;
/// The beginning of a file waits in memory for what follows: most files are small, and all of such
/// a one is written in one go when it is closed.
const HELD_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct StagedFile {
    version: VersionId,
    /// Held bytes included.
    size_bytes: u64,
    /// The last bytes, received in order and not written yet. A copy: a piece of a packet keeps all
    /// of the packet.
    held: Vec<u8>,
    /// Taken while blocking I/O runs; gone for good if that was cut off.
    inner: Option<Box<Inner>>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    folder_syncs: Arc<FolderSyncs>,
    folder: &'static str,
    file: Box<dyn DiskFile>,
    /// Where in the file the bytes begin: behind the envelope, if there is one.
    begin: u64,
    coverage: Coverage,
    size_bytes: u64,
    digest_by: DigestBy,
    digest: digest::Context,
    /// The digest covers `0..digested_bytes`.
    digested_bytes: u64,
}

/// What a staged file needs of its bucket.
pub(crate) struct Home {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder_syncs: Arc<FolderSyncs>,
    pub(crate) folder: &'static str,
}

impl StagedFile {
    /// Around a file that holds `received_bytes` from `begin` on already.
    pub(crate) fn new(
        version: VersionId,
        digest_by: DigestBy,
        file: Box<dyn DiskFile>,
        begin: u64,
        received_bytes: u64,
        home: Home,
    ) -> Self {
        let Home {
            disk,
            folder_syncs,
            folder,
        } = home;
        let mut coverage = Coverage::default();
        coverage.add(0, received_bytes);
        let inner = Inner {
            disk,
            folder_syncs,
            folder,
            file,
            begin,
            coverage,
            size_bytes: received_bytes,
            digest_by,
            digest: digest::Context::new(&digest::SHA256),
            digested_bytes: 0,
        };
        Self {
            version,
            size_bytes: received_bytes,
            held: Vec::new(),
            inner: Some(Box::new(inner)),
        }
    }

    /// Keeps chunks that go on where the file ends, while they are few bytes.
    fn holds(&mut self, chunks: &[Chunk]) -> bool {
        let mut end = self.size_bytes;
        for chunk in chunks {
            if chunk.offset != end {
                return false;
            }
            end = end.saturating_add(chunk.bytes.len() as u64);
        }
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        if self.held.len() + bytes > HELD_BYTES_MAX || self.inner.is_none() {
            return false;
        }
        for chunk in chunks {
            self.held.extend_from_slice(&chunk.bytes);
        }
        self.size_bytes = end;
        true
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut inner = self.inner.take().ok_or_else(failed)?;
        let held = Bytes::from(std::mem::take(&mut self.held));
        let held = Chunk {
            offset: self.size_bytes.saturating_sub(held.len() as u64),
            bytes: held,
        };
        // What was answered must be in the file: if it cannot be written, there is no file.
        let (inner, result) = qm_threads::run(move || {
            inner.write(&held)?;
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

    fn token(&self) -> Option<StagedToken> {
        Some(StagedToken(self.version.to_string()))
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        if self.holds(&chunks) {
            return Ok(());
        }
        let writing = self.with(move |inner| chunks.iter().try_for_each(|c| inner.write(c)));
        qm_threads::in_place(writing).await
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
                .read_at(&mut buffer, inner.begin + offset)
                .map_err(io_error("read staged bytes"))?;
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        })
        .await
    }

    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        let token = StagedToken(self.version.to_string());
        self.with(|inner| {
            inner.set_size(inner.coverage.contiguous())?;
            if inner.size_bytes == 0 {
                return Ok(None);
            }
            inner.sync()?;
            Ok(Some(Parked {
                token,
                size_bytes: inner.size_bytes,
                state: None,
            }))
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

impl Inner {
    fn write(&mut self, chunk: &Chunk) -> Result<()> {
        // As on any disk, a write of nothing makes no file longer.
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let end = chunk
            .offset
            .checked_add(chunk.bytes.len() as u64)
            .filter(|end| i64::try_from(end.saturating_add(self.begin)).is_ok())
            .ok_or_else(too_large)?;
        self.file
            .write_at(&chunk.bytes, self.begin + chunk.offset)
            .map_err(io_error("write staged bytes"))?;
        if !self.coverage.add(chunk.offset, end) {
            return Err(scattered());
        }
        self.size_bytes = self.size_bytes.max(end);
        if self.digest_by == DigestBy::Caller {
            return Ok(());
        }
        if chunk.offset == self.digested_bytes {
            self.digest.update(&chunk.bytes);
            self.digested_bytes = end;
        } else if chunk.offset < self.digested_bytes {
            self.restart_digest();
        }
        Ok(())
    }

    fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        let end = self.begin.saturating_add(size_bytes);
        self.file
            .set_len(end)
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
            return Err(incomplete(offset));
        }
        let mut sha256 = [0; 32];
        if self.digest_by == DigestBy::Bucket {
            self.catch_up()?;
            sha256.copy_from_slice(self.digest.clone().finish().as_ref());
        }
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
        if self.digested_bytes == self.size_bytes {
            return Ok(());
        }
        let mut buffer = vec![0; CATCH_UP_BYTES];
        while self.digested_bytes < self.size_bytes {
            let left =
                usize::try_from(self.size_bytes - self.digested_bytes).unwrap_or(CATCH_UP_BYTES);
            let wanted = left.min(CATCH_UP_BYTES);
            let read = self
                .file
                .read_at(&mut buffer[..wanted], self.begin + self.digested_bytes)
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
