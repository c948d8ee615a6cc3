//! Bytes being received and sealed. What comes in order is sealed chunk by chunk and written once,
//! in order, as an object store wants it; the chunk that is not full yet is held back. What comes
//! otherwise is read back, opened, changed and sealed again.

mod end;
mod lost_session;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

use super::container::{
    CHUNK_BYTES, Cipher, Role, SEALED_CHUNK_BYTES, damaged, plain_offset, sealed_offset,
    sealed_size, split,
};
use super::digest::ChunkDigest;
use crate::coverage::Coverage;
use crate::errors::{failed, incomplete, scattered, too_large};
use qm_core::Result;
use qm_core::id::VersionId;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Attributes, Chunk, Parked, Sealed, Staged};
use qm_core::ports::encryption::Envelope;

/// 1 MiB is sealed at once.
const BATCH_CHUNKS: usize = 16;

pub(super) struct SealedStaged {
    inner: Box<dyn Staged>,
    cipher: Arc<Cipher>,
    envelope: Envelope,
    /// Of the file, in clear.
    coverage: Coverage,
    size_bytes: u64,
    open: Option<OpenChunk>,
    /// Full chunks that `inner` does not have yet; empty between calls.
    full: Vec<FullChunk>,
    /// Numbers of the full chunks that `inner` has.
    stored: Coverage,
    digest: ChunkDigest,
    /// Set while bytes are on their way: a call that failed or was cut off lost some, and nothing
    /// can come of the upload any more.
    has_failed: bool,
}

/// The chunk that is being written.
struct OpenChunk {
    number: u64,
    plain: Vec<u8>,
    state: OpenState,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OpenState {
    /// `inner` has other bytes, or none.
    Changed,
    /// `inner` has it, full.
    Stored,
    /// `inner` has it as the last of the file.
    StoredAsLast,
}

struct FullChunk {
    number: u64,
    plain: Vec<u8>,
    /// All of it was written; otherwise what was not is zero.
    is_whole: bool,
}

impl SealedStaged {
    /// Around staged bytes that are empty.
    pub(super) fn new(inner: Box<dyn Staged>, cipher: Cipher, envelope: Envelope) -> Self {
        Self {
            inner,
            cipher: Arc::new(cipher),
            envelope,
            coverage: Coverage::default(),
            size_bytes: 0,
            open: None,
            full: Vec::new(),
            stored: Coverage::default(),
            digest: ChunkDigest::default(),
            has_failed: false,
        }
    }

    fn check_usable(&self) -> Result<()> {
        if self.has_failed {
            return Err(failed());
        }
        Ok(())
    }

    async fn write_chunks(&mut self, chunks: &[Chunk]) -> Result<()> {
        // As on any disk, a write of nothing makes no file longer.
        for chunk in chunks.iter().filter(|chunk| !chunk.bytes.is_empty()) {
            let end = chunk
                .offset
                .checked_add(chunk.bytes.len() as u64)
                .filter(|end| i64::try_from(sealed_size(*end)).is_ok())
                .ok_or_else(too_large)?;
            if !self.coverage.add(chunk.offset, end) {
                return Err(scattered());
            }
            self.size_bytes = self.size_bytes.max(end);
            let mut rest = &chunk.bytes[..];
            let (mut number, mut within) = split(chunk.offset);
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(CHUNK_BYTES - within));
                self.put(number, within, piece).await?;
                rest = behind;
                (number, within) = (number + 1, 0);
            }
        }
        self.store_full().await?;
        // Chunks that overtook others are read back while an object store still has them at hand.
        // Once only: what was digested and changed since waits for the end.
        if self.digest.was_rewound() {
            return Ok(());
        }
        self.catch_up(split(self.coverage.contiguous()).0).await
    }

    /// Puts bytes into one chunk.
    async fn put(&mut self, number: u64, within: usize, bytes: &[u8]) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) if open.number == number => open,
            other => {
                self.put_away(other);
                if bytes.len() == CHUNK_BYTES {
                    OpenChunk::new(number)
                } else {
                    self.take_up(number).await?
                }
            }
        };
        open.write(within, bytes);
        let begin = plain_offset(number);
        let is_whole = self.coverage.covers(begin, begin + CHUNK_BYTES as u64);
        if is_whole && open.plain.len() == CHUNK_BYTES {
            self.full.push(FullChunk {
                number,
                plain: open.plain,
                is_whole,
            });
            if self.full.len() == BATCH_CHUNKS {
                self.store_full().await?;
            }
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    /// A chunk that others follow is stored full; what was not written yet is zero.
    fn put_away(&mut self, open: Option<OpenChunk>) {
        let changed = open.filter(|open| open.state != OpenState::Stored && !open.plain.is_empty());
        if let Some(mut open) = changed {
            open.plain.resize(CHUNK_BYTES, 0);
            let begin = plain_offset(open.number);
            self.full.push(FullChunk {
                number: open.number,
                plain: open.plain,
                is_whole: self.coverage.covers(begin, begin + CHUNK_BYTES as u64),
            });
        }
    }

    async fn take_up(&mut self, number: u64) -> Result<OpenChunk> {
        if self.full.iter().any(|full| full.number == number) {
            self.store_full().await?;
        }
        if !self.stored.covers(number, number + 1) {
            return Ok(OpenChunk::new(number));
        }
        let plain = self
            .read_stored(number, Role::Body, sealed_offset(1))
            .await?;
        Ok(OpenChunk {
            number,
            plain,
            state: OpenState::Stored,
        })
    }

    async fn read_stored(&mut self, number: u64, role: Role, sealed_bytes: u64) -> Result<Vec<u8>> {
        let length = u32::try_from(sealed_bytes).map_err(|error| damaged().source(error))?;
        let sealed = self.inner.read(sealed_offset(number), length).await?;
        let mut sealed = Vec::from(sealed);
        let plain = self.cipher.open(number, role, &mut sealed)?;
        Ok(plain.to_vec())
    }

    /// Seals what is full, digests what of it comes in order, and hands it down in one write.
    async fn store_full(&mut self) -> Result<()> {
        if self.full.is_empty() {
            return Ok(());
        }
        let full = std::mem::take(&mut self.full);
        let numbers: Vec<_> = full.iter().map(|chunk| chunk.number).collect();
        let cipher = Arc::clone(&self.cipher);
        let mut digest = std::mem::take(&mut self.digest);
        let (digest, chunks) = qm_threads::run(move || {
            let sealed = full.iter().map(|chunk| {
                digest.rewind(chunk.number);
                if chunk.is_whole && digest.chunks() == chunk.number {
                    digest.update(&chunk.plain);
                }
                sealed_chunk(&cipher, chunk.number, Role::Body, &chunk.plain)
            });
            let sealed = sealed.collect::<Result<Vec<_>>>()?;
            Ok((digest, sealed))
        })
        .await?;
        self.digest = digest;
        self.inner.write(chunks).await?;
        for number in numbers {
            if !self.stored.add(number, number + 1) {
                return Err(scattered());
            }
        }
        Ok(())
    }

    /// Digests the chunks up to `end` that did not come in order from what can be read back.
    async fn catch_up(&mut self, end: u64) -> Result<()> {
        while self.digest.chunks() < end {
            let first = self.digest.chunks();
            let count = (end - first).min(BATCH_CHUNKS as u64);
            let length = u32::try_from(sealed_offset(count)).map_err(|e| damaged().source(e))?;
            let sealed = self.inner.read(sealed_offset(first), length).await?;
            if sealed.len() != length as usize {
                return Err(damaged().with("chunk", first));
            }
            let cipher = Arc::clone(&self.cipher);
            let mut digest = std::mem::take(&mut self.digest);
            self.digest = qm_threads::run(move || {
                let mut sealed = Vec::from(sealed);
                for (number, sealed) in (first..).zip(sealed.chunks_mut(SEALED_CHUNK_BYTES)) {
                    digest.update(cipher.open(number, Role::Body, sealed)?);
                }
                Ok(digest)
            })
            .await?;
        }
        Ok(())
    }

    async fn read_clear(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        let end = self
            .size_bytes
            .min(offset.saturating_add(u64::from(length)));
        let mut read = BytesMut::new();
        let mut at = offset;
        while at < end {
            let (number, within) = split(at);
            let behind = usize::try_from(end - plain_offset(number)).unwrap_or(CHUNK_BYTES);
            let mut plain = match &self.open {
                Some(open) if open.number == number => open.plain.clone(),
                Some(_) | None if self.stored.covers(number, number + 1) => {
                    self.read_stored(number, Role::Body, sealed_offset(1))
                        .await?
                }
                Some(_) | None => Vec::new(),
            };
            plain.resize(CHUNK_BYTES, 0);
            read.extend_from_slice(&plain[within..behind.min(CHUNK_BYTES)]);
            at = plain_offset(number + 1);
        }
        Ok(read.freeze())
    }
}

impl OpenChunk {
    fn new(number: u64) -> Self {
        Self {
            number,
            plain: Vec::new(),
            state: OpenState::Changed,
        }
    }

    fn write(&mut self, within: usize, bytes: &[u8]) {
        let end = within + bytes.len();
        if within == self.plain.len() {
            self.plain.extend_from_slice(bytes);
        } else {
            let length = self.plain.len().max(end);
            self.plain.resize(length, 0);
            self.plain[within..end].copy_from_slice(bytes);
        }
        self.state = OpenState::Changed;
    }
}

fn sealed_chunk(cipher: &Cipher, number: u64, role: Role, plain: &[u8]) -> Result<Chunk> {
    Ok(Chunk {
        offset: sealed_offset(number),
        bytes: cipher.seal(number, role, plain)?.into(),
    })
}

#[async_trait]
impl Staged for SealedStaged {
    fn version(&self) -> VersionId {
        self.inner.version()
    }

    fn token(&self) -> Option<StagedToken> {
        self.inner.token()
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        self.check_usable()?;
        self.has_failed = true;
        self.write_chunks(&chunks).await?;
        self.has_failed = false;
        Ok(())
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        self.check_usable()?;
        self.read_clear(offset, length).await
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        self.check_usable()?;
        i64::try_from(sealed_size(size_bytes)).map_err(|_| too_large())?;
        if size_bytes >= self.size_bytes {
            self.size_bytes = size_bytes;
            return Ok(());
        }
        self.has_failed = true;
        self.cut(size_bytes).await?;
        self.has_failed = false;
        Ok(())
    }

    /// The chunk that is not full yet is not among what becomes durable: sealed twice, it could
    /// not go to an object store in order. No later session goes on from here but from what
    /// [`Staged::keep_contiguous`] keeps.
    async fn flush(&mut self) -> Result<()> {
        self.check_usable()?;
        self.inner.flush().await
    }

    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        self.check_usable()?;
        self.has_failed = true;
        let parked = self.park().await?;
        self.has_failed = false;
        Ok(parked)
    }

    async fn seal(&mut self) -> Result<Sealed> {
        self.check_usable()?;
        if let Some(offset) = self.coverage.hole(self.size_bytes) {
            return Err(incomplete(offset));
        }
        self.has_failed = true;
        self.store_last().await?;
        let sha256 = match &self.open {
            Some(last) => self.digest.finish(&last.plain),
            None => self.digest.finish(&[]),
        };
        let sealed = self.inner.seal().await?;
        self.has_failed = false;
        Ok(Sealed {
            size_bytes: self.size_bytes,
            sha256,
            identity: sealed.identity,
        })
    }

    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()> {
        self.inner.set_attributes(attributes).await
    }
}
