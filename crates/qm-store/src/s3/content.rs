//! Reading an object: requests of a few KiB become requests of a window, and the next window is on
//! its way while one is read.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::client::{Head, S3Client, Window};
use super::metadata;
use crate::errors::lost_task;
use qm_core::Result;
use qm_core::ports::bucket::Content;
use qm_core::ports::deposit::StoredObject;
use qm_core::ports::encryption::Envelope;

/// One being read and one ahead: 4 MiB a file that is read from beginning to end.
pub(crate) const WINDOW_BYTES: u64 = 2 << 20;
/// Read at once when somebody jumps.
const JUMP_BYTES: u64 = 64 << 10;

/// An object as it was when it was opened.
pub(crate) struct ObjectContent {
    object: Arc<Object>,
    envelope: Option<Envelope>,
    windows: Mutex<Windows>,
}

struct Object {
    client: Arc<S3Client>,
    key: String,
    head: Head,
}

#[derive(Default)]
struct Windows {
    /// What was read last.
    last: Option<Piece>,
    /// What is on its way: its offset, and the task.
    ahead: Option<(u64, Fetching)>,
}

#[derive(Clone)]
struct Piece {
    offset: u64,
    bytes: Bytes,
}

/// A task that ends with whoever waits for it.
struct Fetching(JoinHandle<Result<Piece>>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ObjectContent {
    /// A small object is read at once: afterwards nothing that happens to its name matters.
    pub(crate) async fn open(client: Arc<S3Client>, key: String, head: Head) -> Result<Self> {
        let envelope = metadata::envelope(&head.metadata)?;
        let object = Arc::new(Object { client, key, head });
        let size_bytes = object.head.size_bytes;
        let last = if (1..=WINDOW_BYTES).contains(&size_bytes) {
            Some(Arc::clone(&object).fetch(0, size_bytes).await?)
        } else {
            None
        };
        Ok(Self {
            object,
            envelope,
            windows: Mutex::new(Windows { last, ahead: None }),
        })
    }
}

#[async_trait]
impl Content for ObjectContent {
    fn size_bytes(&self) -> u64 {
        self.object.head.size_bytes
    }

    fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    fn stored(&self) -> Option<StoredObject> {
        if self.envelope.is_some() {
            return None;
        }
        let Object { client, key, head } = &*self.object;
        Some(StoredObject {
            service: client.service().to_owned(),
            bucket: client.place(key).bucket.to_owned(),
            key: key.clone(),
            native_version: head.native_version.clone(),
            etag: head.etag.clone(),
            size_bytes: head.size_bytes,
            content_type: head.content_type.clone(),
        })
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let end = self.size_bytes().min(offset.saturating_add(length.into()));
        if offset >= end {
            return Ok(Bytes::new());
        }
        // Held while bytes are fetched: others that wait most likely wait for the same.
        let mut windows = self.windows.lock().await;
        let first = windows.piece(&self.object, offset, end).await?;
        let bytes = first.slice(offset, end);
        if offset + bytes.len() as u64 == end {
            return Ok(bytes);
        }
        let mut joined = Vec::from(bytes);
        while offset + (joined.len() as u64) < end {
            let from = offset + joined.len() as u64;
            let next = windows.piece(&self.object, from, end).await?;
            joined.extend_from_slice(&next.slice(from, end));
        }
        Ok(joined.into())
    }
}

impl Windows {
    /// A piece that holds at least the byte at `offset`, which is before `end`.
    async fn piece(&mut self, object: &Arc<Object>, offset: u64, end: u64) -> Result<Piece> {
        if let Some(last) = self.last.as_ref().filter(|last| last.holds(offset)) {
            return Ok(last.clone());
        }
        let ahead = self
            .ahead
            .take_if(|(start, _)| (*start..start.saturating_add(WINDOW_BYTES)).contains(&offset));
        let is_next = offset == 0 || self.last.as_ref().is_some_and(|last| last.end() == offset);
        let piece = if let Some((_, mut fetching)) = ahead {
            (&mut fetching.0).await.map_err(lost_task)??
        } else {
            let wanted = if is_next {
                WINDOW_BYTES
            } else {
                JUMP_BYTES.max(end - offset)
            };
            Arc::clone(object).fetch(offset, wanted).await?
        };
        if is_next && piece.end() < object.head.size_bytes {
            let task = tokio::spawn(Arc::clone(object).fetch(piece.end(), WINDOW_BYTES));
            self.ahead = Some((piece.end(), Fetching(task)));
        }
        self.last = Some(piece.clone());
        Ok(piece)
    }
}

impl Object {
    /// Up to `length` bytes, which may reach beyond the end.
    async fn fetch(self: Arc<Self>, offset: u64, length: u64) -> Result<Piece> {
        let window = Window {
            key: &self.key,
            head: &self.head,
            offset,
            length: length.min(self.head.size_bytes - offset),
        };
        let bytes = self.client.get(window).await?;
        Ok(Piece { offset, bytes })
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    fn holds(&self, offset: u64) -> bool {
        (self.offset..self.end()).contains(&offset)
    }

    /// From `offset`, which it holds, to `end` or as far as it goes.
    fn slice(&self, offset: u64, end: u64) -> Bytes {
        let inside = |at: u64| usize::try_from(at - self.offset).unwrap_or(self.bytes.len());
        self.bytes
            .slice(inside(offset)..inside(end.min(self.end())))
    }
}
