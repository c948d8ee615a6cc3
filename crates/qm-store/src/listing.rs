//! Listings and readable content of a directory bucket.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

use crate::directory::Tree;
use crate::disk::{DiskEntries, DiskFile, DiskStat, FileKind};
use crate::envelope_page::PAGE_BYTES;
use crate::errors::{if_there, io_error};
use crate::form::Form;
use qm_core::name::{Prefix, RESERVED_COMPONENT};
use qm_core::ports::bucket::{Content, Entry, EntryKind, Listing};
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// Entries a batch: one reply of the front holds about as many.
const BATCH_ENTRIES: usize = 128;

pub(crate) struct FolderListing {
    tree: Arc<Tree>,
    folder: Prefix,
    /// In a lock only because a folder being read is not `Sync`; it is never contended.
    entries: Mutex<Option<Box<dyn DiskEntries>>>,
}

impl FolderListing {
    /// Lists all but what is our own.
    pub(crate) fn new(tree: Arc<Tree>, folder: Prefix, entries: Box<dyn DiskEntries>) -> Self {
        Self {
            tree,
            folder,
            entries: Mutex::new(Some(entries)),
        }
    }
}

#[async_trait]
impl Listing for FolderListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let Some(mut entries) = self.entries.get_mut().take() else {
            return Ok(None);
        };
        let (tree, folder) = (Arc::clone(&self.tree), self.folder.clone());
        let (rest, batch) = qm_threads::run(move || {
            let mut batch = Vec::with_capacity(BATCH_ENTRIES);
            while batch.len() < BATCH_ENTRIES {
                let Some(entry) = entries.next().map_err(io_error("list a folder"))? else {
                    return Ok((None, batch));
                };
                if folder.is_root() && entry.name == RESERVED_COMPONENT {
                    continue;
                }
                let path = match folder.as_str() {
                    "" => entry.name,
                    folder => format!("{folder}/{}", entry.name),
                };
                batch.extend(tree.entry(&path, &entry.stat)?);
            }
            Ok((Some(entries), batch))
        })
        .await?;
        let is_end = rest.is_none() && batch.is_empty();
        *self.entries.get_mut() = rest;
        Ok((!is_end).then_some(batch))
    }
}

impl Tree {
    /// What is shown of a file or folder. In a sealed bucket it looks into the file.
    pub(crate) fn entry(&self, path: &str, stat: &DiskStat) -> Result<Option<Entry>> {
        let kind = match stat.kind {
            FileKind::File => EntryKind::File,
            FileKind::Folder => EntryKind::Folder,
            FileKind::Other => return Ok(None),
        };
        let mut entry = Entry {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            kind,
            size_bytes: 0,
            is_sealed: false,
            modified: stat.modified,
            mode: stat.mode,
        };
        if kind == EntryKind::Folder {
            return Ok(Some(entry));
        }
        entry.size_bytes = stat.size_bytes;
        if self.form == Form::Sealed {
            let opened = match if_there(self.disk().open(path, false)) {
                // Others put it there, and nobody can read it through us: shown as it is.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Ok(Some(entry));
                }
                opened => opened.map_err(io_error("look into a file"))?,
            };
            // Removed since the folder was read.
            let Some(file) = opened else { return Ok(None) };
            if self.form.is_sealed(&*file)? {
                entry.is_sealed = true;
                entry.size_bytes = stat.size_bytes.saturating_sub(PAGE_BYTES as u64);
            }
        }
        Ok(Some(entry))
    }
}

pub(crate) struct FileContent {
    file: Arc<dyn DiskFile>,
    envelope: Option<Envelope>,
    /// Where in the file the content begins.
    begin: u64,
    size_bytes: u64,
}

impl FileContent {
    pub(crate) fn new(file: Box<dyn DiskFile>, form: Form) -> Result<Self> {
        let stat = file.stat().map_err(io_error("open a file"))?;
        if stat.kind != FileKind::File {
            return Err(Error::new(Kind::Conflict, "that name is not a file"));
        }
        let envelope = form.read_page(&*file)?.map(|page| page.envelope);
        let begin = envelope.as_ref().map_or(0, |_| PAGE_BYTES as u64);
        Ok(Self {
            file: Arc::from(file),
            envelope,
            begin,
            size_bytes: stat.size_bytes.saturating_sub(begin),
        })
    }
}

#[async_trait]
impl Content for FileContent {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
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
        let offset = self.begin + offset;
        qm_threads::run(move || {
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
