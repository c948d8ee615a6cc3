//! Sealed bytes, read in clear: any range, without reading the rest.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::container::{
    CHUNK_BYTES, Cipher, Role, SEALED_CHUNK_BYTES, damaged, plain_size, sealed_offset, split,
};
use qm_core::ports::bucket::Content;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Result};

/// 1 MiB of sealed bytes at once.
const BATCH_CHUNKS: u64 = 16;

pub(crate) struct SealedContent {
    inner: Box<dyn Content>,
    cipher: Cipher,
    size_bytes: u64,
    /// The chunk that was read last: readers go on where they stopped, and rarely stop where a
    /// chunk ends.
    recent: Mutex<OpenedChunk>,
}

#[derive(Clone)]
struct OpenedChunk {
    number: u64,
    plain: Bytes,
}

impl SealedContent {
    /// Opens the last chunk: only it proves how long the file is.
    pub(crate) async fn open(inner: Box<dyn Content>, cipher: Cipher) -> Result<Self> {
        let size_bytes = plain_size(inner.size_bytes()).ok_or_else(damaged)?;
        let number = split(size_bytes).0;
        let mut content = Self {
            inner,
            cipher,
            size_bytes,
            recent: Mutex::new(OpenedChunk {
                number,
                plain: Bytes::new(),
            }),
        };
        let mut opened = BytesMut::new();
        content.open_chunks(number, number + 1, &mut opened).await?;
        content.recent.get_mut().plain = opened.freeze();
        Ok(content)
    }

    /// Appends what is in the chunks `begin..end`, as much as one read gives.
    async fn open_chunks(&self, begin: u64, end: u64, opened: &mut BytesMut) -> Result<u64> {
        let end = end.min(begin + BATCH_CHUNKS);
        let offset = sealed_offset(begin);
        let length = sealed_offset(end).min(self.inner.size_bytes()) - offset;
        let length = u32::try_from(length).map_err(|error| damaged().source(error))?;
        let mut sealed = Vec::from(self.inner.read(offset, length).await?);
        while sealed.len() < length as usize {
            let missing = length.saturating_sub(u32::try_from(sealed.len()).unwrap_or(length));
            let more = self
                .inner
                .read(offset + sealed.len() as u64, missing)
                .await?;
            if more.is_empty() {
                return Err(damaged());
            }
            sealed.extend_from_slice(&more);
        }
        let last = split(self.size_bytes).0;
        for (number, sealed) in (begin..end).zip(sealed.chunks_mut(SEALED_CHUNK_BYTES)) {
            let role = if number == last {
                Role::Last
            } else {
                Role::Body
            };
            let plain = self.cipher.open(number, role, sealed)?;
            opened.extend_from_slice(plain);
        }
        Ok(end)
    }

    fn recent(&self, number: u64) -> Option<Bytes> {
        let recent = self.recent.lock();
        (recent.number == number).then(|| recent.plain.clone())
    }
}

#[async_trait]
impl Content for SealedContent {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What is read here is in clear.
    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let end = self
            .size_bytes
            .min(offset.saturating_add(u64::from(length)));
        if offset >= end {
            return Ok(Bytes::new());
        }
        let (first, within) = split(offset);
        let behind = split(end - 1).0 + 1;
        let wanted = usize::try_from(end - offset).map_err(too_long)?;
        if let Some(plain) = self.recent(first).filter(|_| behind == first + 1) {
            return Ok(plain.slice(within..within + wanted));
        }
        let mut opened = BytesMut::with_capacity(wanted + 2 * CHUNK_BYTES);
        let mut next = first;
        if let Some(plain) = self.recent(first) {
            opened.extend_from_slice(&plain);
            next += 1;
        }
        while next < behind {
            next = self.open_chunks(next, behind, &mut opened).await?;
        }
        let opened = opened.freeze();
        let last_begin = opened.len().saturating_sub(1) / CHUNK_BYTES * CHUNK_BYTES;
        *self.recent.lock() = OpenedChunk {
            number: behind - 1,
            // Its own memory: a slice would hold all that was opened.
            plain: Bytes::copy_from_slice(&opened[last_begin..]),
        };
        Ok(opened.slice(within..within + wanted))
    }
}

fn too_long(error: std::num::TryFromIntError) -> Error {
    damaged().source(error)
}
