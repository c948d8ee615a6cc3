//! A file on its way into the store, part by part while it comes. Bytes that are sent cannot be
//! changed, so writes are taken in order, give or take one part.

mod recall;
mod remote;
mod resume;
#[cfg(test)]
mod tests;
mod window;

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

use super::arena::Arena;
use super::client::PartBody;
use super::digest::Digester;
use super::part_plan::PartPlan;
use super::part_sink::PartSink;
use super::small_files::{SmallFile, SmallFiles};
use crate::coverage::Coverage;
use qm_core::id::VersionId;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Attributes, Chunk, Parked, Sealed, Staged, Staging};
use qm_core::{Error, Kind, Result};
use recall::Recall;
use remote::Remote;
use window::OpenPart;

/// What uploads share, and where this one goes.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) sink: Arc<dyn PartSink>,
    pub(crate) arena: Arc<Arena>,
    pub(crate) small_files: Arc<SmallFiles>,
}

/// One file.
pub(crate) struct StagedUpload {
    parts: Parts,
    version: VersionId,
    name: Name,
    plan: PartPlan,
    size_hint: Option<u64>,
    size_bytes: u64,
    coverage: Coverage,
    /// Parts that were handed to the store, from the first on.
    sent_parts: u16,
    /// Where the first part begins that was not.
    sent_bytes: u64,
    /// That part and the next.
    open: Vec<OpenPart>,
    remote: Remote,
    digester: Digester,
    recall: Recall,
    fate: Fate,
}

/// Which name the upload has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    /// It becomes an object at once: one part needs no upload in parts.
    Final,
    /// It becomes an object when it is renamed, maybe by another process.
    Temp,
}

/// What becomes of the bytes when the upload is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// They go.
    Dropped,
    /// The same, and nothing can be added.
    Failed,
    /// They stay: sealed or kept.
    Stays,
}

impl StagedUpload {
    /// Nothing yet.
    pub(crate) fn new(parts: Parts, plan: PartPlan, staging: &Staging) -> Self {
        Self {
            parts,
            version: staging.version,
            name: if staging.key == staging.final_key {
                Name::Final
            } else {
                Name::Temp
            },
            plan,
            size_hint: staging.size_hint,
            size_bytes: 0,
            coverage: Coverage::default(),
            sent_parts: 0,
            sent_bytes: 0,
            open: Vec::new(),
            remote: Remote::default(),
            digester: Digester::new(staging.digest),
            recall: Recall::default(),
            fate: Fate::Dropped,
        }
    }

    /// Before anything changes: what was sealed is not any more.
    fn begin_change(&mut self) -> Result<()> {
        if self.fate == Fate::Failed {
            return Err(failed());
        }
        self.fate = Fate::Dropped;
        self.parts.small_files.remove(self.version);
        Ok(())
    }

    /// A part that was not sent makes the file worthless.
    fn note_failure<T>(&mut self, sent: Result<T>) -> Result<T> {
        if sent.is_err() {
            self.fate = Fate::Failed;
        }
        sent
    }

    /// Waits until the store has every part that was handed to it.
    async fn settle(&mut self) -> Result<()> {
        let settled = self.remote.settle().await;
        self.note_failure(settled)
    }

    /// Everything from the beginning again.
    fn restart(&mut self) {
        std::mem::take(&mut self.remote).abandon(&self.parts.sink);
        self.open.clear();
        self.recall = Recall::default();
        self.digester.restart();
        self.coverage = Coverage::default();
        (self.sent_parts, self.sent_bytes, self.size_bytes) = (0, 0, 0);
    }

    /// What is behind the parts that were sent: whole, and less than a part.
    async fn tail(&self) -> PartBody {
        match self.open.first() {
            Some(part) if self.size_bytes > self.sent_bytes => {
                part.buffer.body(self.size_bytes - self.sent_bytes).await
            }
            _ => PartBody::Bytes(Bytes::new()),
        }
    }

    async fn seal_small(&mut self) {
        if let Some(part) = self.open.first() {
            part.buffer.shrink(self.size_bytes).await;
        }
        let body = self.tail().await;
        let metadata = self.parts.sink.metadata().clone();
        self.parts
            .small_files
            .put(self.version, SmallFile { body, metadata });
    }

    /// Makes the last part durable. A part of no bytes takes the place of one that an earlier seal
    /// left behind, and makes an object of no bytes.
    async fn send_tail(&mut self) -> Result<()> {
        let number = self.sent_parts + 1;
        if self.size_bytes > self.sent_bytes || number == 1 || self.remote.has(number) {
            let ready = self.remote.ready(&self.parts.sink).await;
            self.note_failure(ready)?;
            let body = self.tail().await;
            self.remote.send(&self.parts.sink, number, body);
        }
        self.settle().await
    }

    fn is_small(&self) -> bool {
        self.name == Name::Final && self.sent_parts == 0 && self.remote.is_none()
    }
}

#[async_trait]
impl Staged for StagedUpload {
    fn version(&self) -> VersionId {
        self.version
    }

    fn token(&self) -> Option<StagedToken> {
        self.remote.token(self.parts.sink.key())
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        self.begin_change()?;
        self.write_chunks(chunks).await
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        self.read_back(offset, length).await
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        self.begin_change()?;
        if size_bytes == 0 {
            self.restart();
            return Ok(());
        }
        window::check_size(size_bytes)?;
        if size_bytes < self.sent_bytes {
            return Err(window::already_sent());
        }
        self.cut(size_bytes);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.fate == Fate::Failed {
            return Err(failed());
        }
        self.send_full().await?;
        self.settle().await
    }

    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        self.begin_change()?;
        self.cut(self.coverage.contiguous());
        self.send_full().await?;
        self.settle().await?;
        self.open.clear();
        self.cut(self.sent_bytes);
        let parked = self.parked().await?;
        if parked.is_some() {
            self.fate = Fate::Stays;
        } else {
            self.restart();
        }
        Ok(parked)
    }

    async fn seal(&mut self) -> Result<Sealed> {
        self.begin_change()?;
        if let Some(offset) = self.coverage.hole(self.size_bytes) {
            return Err(Error::new(
                Kind::Invalid,
                format!("the file is incomplete: nothing was sent for byte {offset} and on"),
            ));
        }
        self.send_followed().await?;
        if self.is_small() {
            self.seal_small().await;
        } else {
            self.send_tail().await?;
        }
        let tail = self.tail().await;
        let sha256 = self.digester.finish(tail).await;
        let sha256 = self.note_failure(sha256)?;
        self.fate = Fate::Stays;
        Ok(Sealed {
            size_bytes: self.size_bytes,
            sha256,
            identity: self.version.to_string(),
        })
    }

    /// An object's attributes cannot be changed once its upload has begun; the ledger knows them.
    async fn set_attributes(&mut self, _attributes: Attributes) -> Result<()> {
        Ok(())
    }
}

impl Drop for StagedUpload {
    fn drop(&mut self) {
        self.parts.small_files.orphan(self.version);
        if self.fate != Fate::Stays {
            std::mem::take(&mut self.remote).abandon(&self.parts.sink);
        }
    }
}

fn failed() -> Error {
    Error::new(
        Kind::Conflict,
        "this upload has failed; please send the file again",
    )
}
