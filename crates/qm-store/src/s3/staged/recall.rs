//! What can be read back of parts that were sent: nothing of them can be read from the store
//! before they are an object, but what a file is shows at its beginning and its end.

use bytes::Bytes;
use std::sync::Arc;

use super::super::arena::Arena;
use super::super::client::PartBody;
use super::super::part_buffer::PartBuffer;
use qm_core::{Error, Kind, Result};

/// The longest head that is looked at (64 KiB), sealed, in whole chunks.
const HEAD_BYTES: usize = 192 * 1024;
/// The longest tail that is looked at (1 MiB), likewise.
const TAIL_BYTES: u64 = 1024 * 1024 + 256 * 1024;

/// The beginning of the file and the end of what was sent.
#[derive(Clone, Default)]
pub(super) struct Recall {
    head: Bytes,
    tail: Option<Tail>,
}

#[derive(Clone)]
struct Tail {
    start: u64,
    bytes: Arc<PartBuffer>,
}

impl Recall {
    /// What is recalled once a part, too, is sent.
    pub(super) async fn after(
        &self,
        arena: &Arc<Arena>,
        start: u64,
        body: &PartBody,
    ) -> Result<Self> {
        let size_bytes = body.size_bytes();
        let head = if start == 0 {
            let length = usize::try_from(size_bytes).unwrap_or(HEAD_BYTES);
            Bytes::copy_from_slice(&read(body, 0, length.min(HEAD_BYTES)).await?)
        } else {
            self.head.clone()
        };
        let length = size_bytes.min(TAIL_BYTES);
        let skipped = size_bytes - length;
        let bytes = read(body, skipped, usize::try_from(length).unwrap_or_default()).await?;
        Ok(Self {
            head,
            tail: Some(Tail {
                start: start + skipped,
                bytes: Arc::new(PartBuffer::of(arena, bytes).await?),
            }),
        })
    }

    /// Some bytes at `at`, up to `end`, both within what was sent.
    pub(super) async fn read(&self, at: u64, end: u64) -> Result<Bytes> {
        if let Some(tail) = &self.tail
            && at >= tail.start
        {
            let length = usize::try_from(end - at).unwrap_or_default();
            return tail.bytes.read(at - tail.start, length).await;
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        if start < self.head.len() {
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            return Ok(self.head.slice(start..end.min(self.head.len())));
        }
        Err(Error::new(
            Kind::Unsupported,
            "this place takes files from beginning to end: what was stored already cannot be read \
             before the file is complete",
        ))
    }
}

async fn read(body: &PartBody, offset: u64, length: usize) -> Result<Bytes> {
    match body {
        PartBody::Bytes(bytes) => {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            Ok(bytes.slice(start..start + length))
        }
        PartBody::Spilled(spilled) => {
            let spilled = Arc::clone(spilled);
            qm_threads::run(move || spilled.read_at(offset, length)).await
        }
    }
}
