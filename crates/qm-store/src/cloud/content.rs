//! Readable content: ranges of one state of an object. Who reads in order gets what comes next
//! while the last is still on its way out.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opendal::ErrorKind;
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinHandle;

use super::Shared;
use super::errors::store_error;
use super::store::{Head, Pin};
use crate::errors::lost_task;
use qm_core::ports::bucket::Content;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// One request for sixteen of a client's, and two of them in memory for an open file.
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

pub(super) struct CloudContent {
    object: Arc<Object>,
    envelope: Option<Envelope>,
    ahead: tokio::sync::Mutex<Ahead>,
}

/// One state of an object.
struct Object {
    shared: Arc<Shared>,
    path: String,
    identity: String,
    size_bytes: u64,
    pin: Mutex<Pin>,
}

/// Where somebody reads in order.
#[derive(Default)]
struct Ahead {
    start: u64,
    bytes: Bytes,
    /// What follows.
    next: Option<JoinHandle<Result<Bytes>>>,
}

impl CloudContent {
    pub(super) fn new(shared: Arc<Shared>, path: String, head: Head) -> Result<Self> {
        Ok(Self {
            envelope: head.attributes.envelope()?,
            object: Arc::new(Object {
                shared,
                path,
                identity: head.identity().to_owned(),
                size_bytes: head.size_bytes,
                pin: Mutex::new(head.pin),
            }),
            ahead: tokio::sync::Mutex::default(),
        })
    }
}

#[async_trait]
impl Content for CloudContent {
    fn size_bytes(&self) -> u64 {
        self.object.size_bytes
    }

    fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let size_bytes = self.object.size_bytes;
        let end = offset.saturating_add(u64::from(length)).min(size_bytes);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let mut ahead = self.ahead.lock().await;
        if !(ahead.start..=ahead.end()).contains(&offset) {
            // Not in order: only what is asked for. If it goes on from there, it is in order.
            ahead.move_to(end);
            drop(ahead);
            return Arc::clone(&self.object).fetch(offset..end).await;
        }
        let mut read = ahead.slice(offset..end);
        while offset + (read.len() as u64) < end {
            ahead.advance(&self.object).await?;
            let more = ahead.slice(offset + read.len() as u64..end);
            read = joined(read, &more);
        }
        Ok(read)
    }
}

impl Ahead {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn move_to(&mut self, offset: u64) {
        self.stop();
        (self.start, self.bytes) = (offset, Bytes::new());
    }

    /// The part of the range that is there.
    fn slice(&self, range: Range<u64>) -> Bytes {
        let place = |offset: u64| {
            let within = offset.clamp(self.start, self.end()) - self.start;
            usize::try_from(within).unwrap_or_default()
        };
        self.bytes.slice(place(range.start)..place(range.end))
    }

    async fn advance(&mut self, object: &Arc<Object>) -> Result<()> {
        let start = self.end();
        let bytes = match self.next.take() {
            Some(next) => next.await.map_err(lost_task)??,
            None => Arc::clone(object).fetch(object.from(start)).await?,
        };
        (self.start, self.bytes) = (start, bytes);
        let following = object.from(self.end());
        if !following.is_empty() {
            self.next = Some(tokio::spawn(Arc::clone(object).fetch(following)));
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(next) = self.next.take() {
            next.abort();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Object {
    fn from(&self, start: u64) -> Range<u64> {
        start..(start + AHEAD_BYTES).min(self.size_bytes)
    }

    async fn fetch(self: Arc<Self>, range: Range<u64>) -> Result<Bytes> {
        let store = &self.shared.store;
        let pin = self.pin.lock().clone();
        match store.read(&self.path, &pin, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::ConditionNotMatch => {}
            result => return result.map_err(store_error("read a file")),
        }
        // Another state may hold the same bytes: under a new envelope.
        let head = store.head(&self.path).await;
        let head = head.map_err(store_error("read a file"))?;
        let same = head
            .filter(|head| head.identity() == self.identity && head.size_bytes == self.size_bytes);
        let pin = same.ok_or_else(replaced)?.pin;
        *self.pin.lock() = pin.clone();
        let read = store.read(&self.path, &pin, range).await;
        read.map_err(store_error("read a file"))
    }
}

fn joined(first: Bytes, second: &Bytes) -> Bytes {
    if first.is_empty() {
        return second.clone();
    }
    let mut both = BytesMut::from(first);
    both.extend_from_slice(second);
    both.freeze()
}

fn replaced() -> Error {
    Error::new(
        Kind::Conflict,
        "the file was replaced while it was being read; please read it again",
    )
}
