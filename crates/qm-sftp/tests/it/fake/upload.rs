//! The fake's write handles.

use async_trait::async_trait;
use bytes::Bytes;
use qm_core::ports::bucket::{Attributes, Chunk, Entry, EntryKind};
use qm_core::ports::mailbox::{Upload, WriteOptions};
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use super::{Fake, apply, epoch, file, slice};

/// An upload that lives in memory.
pub(super) struct FakeUpload {
    fake: Arc<Fake>,
    name: String,
    /// What is there and is continued unless the first write is at 0.
    base: Option<Vec<u8>>,
    bytes: Vec<u8>,
    /// Which bytes were written.
    written: Vec<bool>,
    append: bool,
    attributes: Attributes,
}

impl FakeUpload {
    pub(super) fn new(
        fake: Arc<Fake>,
        name: &str,
        existing: Option<Vec<u8>>,
        options: WriteOptions,
    ) -> Self {
        Self {
            fake,
            name: name.to_owned(),
            base: existing.filter(|_| !options.truncate),
            bytes: Vec::new(),
            written: Vec::new(),
            append: options.append,
            attributes: options.attributes,
        }
    }

    fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(base) = self.base.take()
            && (offset > 0 || self.append)
        {
            self.written = vec![true; base.len()];
            self.bytes = base;
        }
        let offset = if self.append {
            self.bytes.len()
        } else {
            offset
        };
        let end = self.bytes.len().max(offset + bytes.len());
        self.bytes.resize(end, 0);
        self.written.resize(end, false);
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.written[offset..offset + bytes.len()].fill(true);
    }

    fn closed(&self) {
        self.fake.state.lock().open_uploads -= 1;
        self.fake.bell.notify_waiters();
    }
}

#[async_trait]
impl Upload for FakeUpload {
    fn stat(&self) -> Entry {
        Entry {
            name: self.name.clone(),
            kind: EntryKind::File,
            size_bytes: self.base.as_ref().unwrap_or(&self.bytes).len() as u64,
            is_sealed: false,
            modified: epoch(),
            mode: self.attributes.mode.unwrap_or(0o644),
        }
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        let full_at = {
            let mut state = self.fake.state.lock();
            state.writes.push(chunks.len());
            state.full_at
        };
        for chunk in chunks {
            let end = chunk.offset + chunk.bytes.len() as u64;
            if full_at.is_some_and(|limit| end > limit) {
                return Err(Error::new(Kind::Limit, "the server has no space left"));
            }
            self.write_at(usize::try_from(chunk.offset).unwrap(), &chunk.bytes);
        }
        self.fake.bell.notify_waiters();
        Ok(())
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        Ok(slice(&Bytes::from(self.bytes.clone()), offset, length))
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        let size = usize::try_from(size_bytes).unwrap();
        if let Some(base) = self.base.take() {
            self.written = vec![true; base.len()];
            self.bytes = base;
        }
        self.bytes.resize(size, 0);
        self.written.resize(size, false);
        Ok(())
    }

    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()> {
        self.attributes.modified = attributes.modified.or(self.attributes.modified);
        self.attributes.mode = attributes.mode.or(self.attributes.mode);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.fake.state.lock().flushes += 1;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.closed();
        if self.fake.state.lock().fails_commit {
            return Err(Error::new(Kind::Refused, "the file is not a spreadsheet"));
        }
        if let Some(hole) = self.written.iter().position(|is_written| !is_written) {
            return Err(Error::new(
                Kind::Invalid,
                format!("byte {hole} was never written"),
            ));
        }
        let mut stored = file(self.base.unwrap_or(self.bytes));
        apply(&mut stored, self.attributes);
        self.fake.state.lock().files.insert(self.name, stored);
        Ok(())
    }

    async fn abandon(self: Box<Self>) {
        let size = self.bytes.len();
        let name = self.name.clone();
        self.fake.state.lock().abandoned.push((name, size));
        self.closed();
    }
}
