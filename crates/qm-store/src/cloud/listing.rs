//! Listings: the store's pages, with folders where keys go on.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use opendal::Lister;

use super::errors::store_error;
use super::metadata::says_sealed;
use super::names;
use super::store::{Head, modified};
use crate::unnamed::Unnamed;
use qm_core::name::{Prefix, RESERVED_COMPONENT};
use qm_core::ports::bucket::{Entry, EntryKind, Listing};
use qm_core::{Error, Kind, Result};

/// Entries a batch: one reply of the front holds about as many.
const BATCH_ENTRIES: usize = 128;
/// Objects have no permissions of their own.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

pub(super) struct CloudListing {
    lister: Option<Lister>,
    folder: Prefix,
    /// What the names of the store begin with.
    path: String,
    batch: Vec<Entry>,
    unnamed: Unnamed,
}

impl CloudListing {
    /// `NotFound` if there is no such folder.
    pub(super) async fn begin(lister: Lister, folder: Prefix, path: String) -> Result<Self> {
        let mut listing = Self {
            lister: Some(lister),
            folder,
            path,
            batch: Vec::new(),
            unnamed: Unnamed::default(),
        };
        let is_there = listing.fill().await?;
        if is_there || listing.folder.is_root() {
            return Ok(listing);
        }
        Err(Error::new(Kind::NotFound, "no such file or folder").during("list a folder"))
    }

    /// The next batch; false if the store had nothing at all.
    async fn fill(&mut self) -> Result<bool> {
        let Some(mut lister) = self.lister.take() else {
            return Ok(false);
        };
        let mut is_there = false;
        while self.batch.len() < BATCH_ENTRIES {
            let next = lister.try_next().await;
            let Some(found) = next.map_err(store_error("list a folder"))? else {
                self.unnamed.warn(&self.folder);
                return Ok(is_there);
            };
            is_there = true;
            match self.entry(&found) {
                Found::Entry(entry) => self.batch.push(entry),
                Found::Ours => {}
                Found::Unusable => self.unnamed.add(found.path()),
            }
        }
        self.lister = Some(lister);
        Ok(is_there)
    }

    fn entry(&self, found: &opendal::Entry) -> Found {
        let metadata = found.metadata();
        let path = found.path();
        let is_root = self.folder.is_root();
        let relative = if is_root {
            Some(path)
        } else {
            path.strip_prefix(&self.path)
        };
        let Some(relative) = relative else {
            return Found::Unusable;
        };
        let (name, is_folder) = match relative.strip_suffix('/') {
            Some(name) => (name, true),
            None => (relative, false),
        };
        if name.is_empty() {
            // The folder's own marker is an object; a name between two slashes is none.
            let is_marker = metadata.last_modified().is_some();
            return if is_marker {
                Found::Ours
            } else {
                Found::Unusable
            };
        }
        if is_root && name == RESERVED_COMPONENT {
            return Found::Ours;
        }
        let key = self.folder.join(name);
        if name.contains('/') || !key.is_ok_and(|key| names::object(&key).is_ok()) {
            return Found::Unusable;
        }
        if is_folder {
            return Found::Entry(folder_entry(name));
        }
        Found::Entry(Entry {
            name: name.to_owned(),
            kind: EntryKind::File,
            size_bytes: metadata.content_length(),
            is_sealed: says_sealed(metadata.content_type()),
            modified: modified(metadata),
            mode: FILE_MODE,
        })
    }
}

enum Found {
    Entry(Entry),
    Ours,
    Unusable,
}

#[async_trait]
impl Listing for CloudListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.batch.is_empty() {
            self.fill().await?;
        }
        let batch = std::mem::take(&mut self.batch);
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn take_unnamed(&mut self) -> Vec<String> {
        self.unnamed.take()
    }
}

/// An object as stat tells it.
pub(super) fn file_entry(name: &str, head: &Head) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: EntryKind::File,
        size_bytes: head.size_bytes,
        is_sealed: head.attributes.is_sealed(),
        modified: head.modified,
        mode: FILE_MODE,
    }
}

/// Folders are names only.
pub(super) fn folder_entry(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: EntryKind::Folder,
        size_bytes: 0,
        is_sealed: false,
        modified: Timestamp::UNIX_EPOCH,
        mode: FOLDER_MODE,
    }
}
