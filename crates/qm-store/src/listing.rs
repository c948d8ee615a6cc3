//! Listings and readable content of a directory bucket.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

use crate::disk::{DiskEntries, DiskFile, DiskStat, FileKind};
use crate::errors::{blocking, io_error};
use qm_core::ports::bucket::{Content, Entry, EntryKind, Listing};
use qm_core::{Error, Kind, Result};

/// Entries a batch: one reply of the front holds about as many.
const BATCH_ENTRIES: usize = 128;

pub(crate) struct FolderListing {
    /// In a lock only because a folder being read is not `Sync`; it is never contended.
    entries: Mutex<Option<Box<dyn DiskEntries>>>,
    hidden: Option<&'static str>,
}

impl FolderListing {
    /// Lists all but `hidden`.
    pub(crate) fn new(entries: Box<dyn DiskEntries>, hidden: Option<&'static str>) -> Self {
        Self {
            entries: Mutex::new(Some(entries)),
            hidden,
        }
    }
}

#[async_trait]
impl Listing for FolderListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let Some(mut entries) = self.entries.get_mut().take() else {
            return Ok(None);
        };
        let hidden = self.hidden;
        let (rest, batch) = blocking(move || {
            let mut batch = Vec::with_capacity(BATCH_ENTRIES);
            while batch.len() < BATCH_ENTRIES {
                match entries.next().map_err(io_error("list a folder"))? {
                    None => return Ok((None, batch)),
                    Some(entry) if hidden == Some(entry.name.as_str()) => {}
                    Some(entry) => batch.extend(to_entry(&entry.name, &entry.stat)),
                }
            }
            Ok((Some(entries), batch))
        })
        .await?;
        let is_end = rest.is_none() && batch.is_empty();
        *self.entries.get_mut() = rest;
        Ok((!is_end).then_some(batch))
    }
}

pub(crate) fn to_entry(name: &str, stat: &DiskStat) -> Option<Entry> {
    let kind = match stat.kind {
        FileKind::File => EntryKind::File,
        FileKind::Folder => EntryKind::Folder,
        FileKind::Other => return None,
    };
    let size_bytes = if kind == EntryKind::File {
        stat.size_bytes
    } else {
        0
    };
    Some(Entry {
        name: name.to_owned(),
        kind,
        size_bytes,
        modified: stat.modified,
        mode: stat.mode,
    })
}

pub(crate) struct FileContent {
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
}

impl FileContent {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Result<Self> {
        let stat = file.stat().map_err(io_error("open a file"))?;
        if stat.kind != FileKind::File {
            return Err(Error::new(Kind::Conflict, "that name is not a file"));
        }
        Ok(Self {
            file: Arc::from(file),
            size_bytes: stat.size_bytes,
        })
    }
}

#[async_trait]
impl Content for FileContent {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let left = self
            .size_bytes
            .saturating_sub(offset)
            .min(u64::from(length));
        let Some(length) = usize::try_from(left).ok().filter(|length| *length > 0) else {
            return Ok(Bytes::new());
        };
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut buffer = vec![0; length];
            let read = file
                .read_at(&mut buffer, offset)
                .map_err(io_error("read a file"))?;
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        })
        .await
    }
}
