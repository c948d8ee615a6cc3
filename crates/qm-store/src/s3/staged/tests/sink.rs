//! The store.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::super::super::client::{Metadata, Part, PartBody};
use super::super::super::part_sink::PartSink;
use super::super::super::token::UploadToken;
use qm_core::operation::StagedToken;
use qm_core::{Error, Kind, Result};

/// Uploads in memory. Requests wait a moment before and behind their effect, so that a test can
/// cut them off at either.
#[derive(Default)]
pub(super) struct MemorySink {
    uploads: Mutex<HashMap<String, BTreeMap<u16, Vec<u8>>>>,
    begun: AtomicU32,
    metadata: Metadata,
    discards: AtomicBool,
    discarded_bytes: AtomicU64,
    /// Sending this part number fails.
    pub(super) fails: Mutex<Option<u16>>,
    /// How long sending a part takes.
    pub(super) takes: Mutex<Duration>,
}

impl MemorySink {
    pub(super) fn uploads(&self) -> usize {
        self.uploads.lock().len()
    }

    /// From now on parts are counted and forgotten.
    pub(super) fn discard_all(&self) {
        self.discards.store(true, Ordering::Relaxed);
    }

    pub(super) fn discarded_bytes(&self) -> u64 {
        self.discarded_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// The sizes of an upload's parts.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let uploads = self.uploads.lock();
        assert_eq!(uploads.len(), 1);
        uploads
            .values()
            .flat_map(|parts| parts.values().map(Vec::len))
            .collect()
    }

    /// Changes parts behind everybody's back.
    pub(super) fn tamper(&self, change: impl FnOnce(&mut BTreeMap<u16, Vec<u8>>)) {
        change(self.uploads.lock().values_mut().next().unwrap());
    }

    /// Makes an object of all parts, as S3 would: only the last may be short.
    pub(super) fn complete(&self, token: &StagedToken, shortest: u64) -> Vec<u8> {
        let token = UploadToken::decode(token).unwrap();
        let parts = self.uploads.lock().remove(&token.upload).unwrap();
        let count = parts.len();
        assert!(count > 0, "no parts");
        for (index, (number, part)) in parts.iter().enumerate() {
            assert_eq!(usize::from(*number), index + 1);
            assert!(
                part.len() as u64 >= shortest || index + 1 == count,
                "part {number} is too short: {}",
                part.len()
            );
        }
        parts.into_values().flatten().collect()
    }

    fn take(&self, upload: &str, number: u16, body: &PartBody) -> Result<()> {
        let mut uploads = self.uploads.lock();
        let parts = uploads
            .get_mut(upload)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such upload"))?;
        if self.discards.load(Ordering::Relaxed) {
            self.discarded_bytes
                .fetch_add(body.size_bytes(), Ordering::Relaxed);
        } else {
            parts.insert(number, read(body));
        }
        Ok(())
    }
}

#[async_trait]
impl PartSink for MemorySink {
    fn key(&self) -> &'static str {
        "prefix/in/a.csv"
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn has_checksums(&self) -> bool {
        false
    }

    async fn begin(&self) -> Result<String> {
        tokio::task::yield_now().await;
        let upload = format!("upload {}", self.begun.fetch_add(1, Ordering::Relaxed));
        self.uploads.lock().insert(upload.clone(), BTreeMap::new());
        tokio::task::yield_now().await;
        Ok(upload)
    }

    async fn send(&self, upload: &str, number: u16, body: PartBody) -> Result<()> {
        tokio::task::yield_now().await;
        let takes = *self.takes.lock();
        if takes > Duration::ZERO {
            tokio::time::sleep(takes).await;
        }
        if *self.fails.lock() == Some(number) {
            return Err(Error::new(Kind::Unavailable, "the store does not answer"));
        }
        self.take(upload, number, &body)?;
        drop(body);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn parts(&self, upload: &str) -> Result<Option<Vec<Part>>> {
        tokio::task::yield_now().await;
        let uploads = self.uploads.lock();
        Ok(uploads.get(upload).map(|parts| {
            parts
                .iter()
                .map(|(number, bytes)| Part {
                    number: *number,
                    etag: String::new(),
                    crc32: None,
                    size_bytes: bytes.len() as u64,
                })
                .collect()
        }))
    }

    async fn abort(&self, upload: &str) -> Result<()> {
        tokio::task::yield_now().await;
        self.uploads.lock().remove(upload);
        Ok(())
    }
}

pub(super) fn read(body: &PartBody) -> Vec<u8> {
    match body {
        PartBody::Bytes(bytes) => bytes.to_vec(),
        PartBody::Spilled(spilled) => {
            let length = usize::try_from(spilled.size_bytes()).unwrap();
            spilled.read_at(0, length).unwrap().to_vec()
        }
    }
}
