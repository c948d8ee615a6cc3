//! Listings of folders, page by page.

use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::client::{Listed, Page, Range, S3Client};
use super::{FILE_MODE, FOLDER_MODE};
use crate::unnamed::Unnamed;
use jiff::Timestamp;
use qm_core::Result;
use qm_core::name::{Prefix, RESERVED_COMPONENT};
use qm_core::ports::bucket::{Entry, EntryKind, Listing};

/// The most that S3 sends.
const PAGE_ENTRIES: i32 = 1000;
/// Entries a batch: one reply of the front holds about as many.
const BATCH_ENTRIES: usize = 128;

/// A folder being listed.
pub(crate) struct FolderListing {
    client: Arc<S3Client>,
    folder: Prefix,
    /// What keys in it begin with.
    beginning: String,
    is_sealed: bool,
    /// Files under temp names, which no page shows; they take the place of what has their name.
    hidden: Vec<Entry>,
    /// Folders that exist only on the way to such files, as far as no page has shown them.
    hidden_folders: BTreeSet<String>,
    ready: Vec<Entry>,
    next: Next,
    unnamed: Unnamed,
}

enum Next {
    Page(String),
    End,
}

/// What a listing begins with.
pub(crate) struct Begun {
    pub(crate) folder: Prefix,
    pub(crate) beginning: String,
    pub(crate) is_sealed: bool,
    pub(crate) hidden: Vec<Entry>,
    pub(crate) hidden_folders: BTreeSet<String>,
}

impl FolderListing {
    /// Begins a listing; `None` if there is no such folder.
    pub(crate) async fn begin(client: Arc<S3Client>, begun: Begun) -> Result<Option<Self>> {
        let has_hidden = !begun.hidden.is_empty() || !begun.hidden_folders.is_empty();
        let mut listing = Self {
            client,
            ready: begun.hidden.clone(),
            folder: begun.folder,
            beginning: begun.beginning,
            is_sealed: begun.is_sealed,
            hidden: begun.hidden,
            hidden_folders: begun.hidden_folders,
            next: Next::End,
            unnamed: Unnamed::default(),
        };
        let page = listing.page(None).await?;
        let is_there = listing.folder.is_root()
            || has_hidden
            || !page.objects.is_empty()
            || !page.prefixes.is_empty();
        listing.take(page);
        Ok(is_there.then_some(listing))
    }

    async fn page(&self, token: Option<&str>) -> Result<Page> {
        let range = Range {
            prefix: &self.beginning,
            delimiter: Some("/"),
            entries_max: PAGE_ENTRIES,
        };
        self.client.list_page(&range, token).await
    }

    fn take(&mut self, page: Page) {
        for object in page.objects {
            self.take_file(&object);
        }
        for prefix in page.prefixes {
            self.take_folder(&prefix);
        }
        self.next = match page.next {
            Some(token) => Next::Page(token),
            None => Next::End,
        };
        if let Next::End = self.next {
            let folders = std::mem::take(&mut self.hidden_folders);
            self.ready
                .extend(folders.into_iter().map(|name| folder_entry(&name)));
        }
    }

    fn take_file(&mut self, object: &Listed) {
        let name = object.key.strip_prefix(&self.beginning).unwrap_or_default();
        // The marker of the folder itself.
        if object.key == self.beginning {
            return;
        }
        if !self.can_be_named(name) {
            self.pass_over(&object.key);
        } else if !self.hidden.iter().any(|hidden| hidden.name == name) {
            let entry = Entry {
                name: name.to_owned(),
                kind: EntryKind::File,
                size_bytes: object.size_bytes,
                is_sealed: self.is_sealed,
                modified: object.modified,
                mode: FILE_MODE,
            };
            self.ready.push(entry);
        }
    }

    fn take_folder(&mut self, prefix: &str) {
        let rest = prefix.strip_prefix(&self.beginning);
        let name = rest
            .and_then(|rest| rest.strip_suffix('/'))
            .unwrap_or_default();
        if self.folder.is_root() && name == RESERVED_COMPONENT {
            return;
        }
        if self.can_be_named(name) {
            self.hidden_folders.remove(name);
            self.ready.push(folder_entry(name));
        } else {
            self.pass_over(prefix);
        }
    }

    fn can_be_named(&self, name: &str) -> bool {
        self.folder.join(name).is_ok()
    }

    fn pass_over(&mut self, key: &str) {
        let name = key.strip_prefix(&self.beginning).unwrap_or(key);
        let path = match self.folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        self.unnamed.add(&path);
    }
}

#[async_trait]
impl Listing for FolderListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        while self.ready.is_empty() {
            let Next::Page(token) = std::mem::replace(&mut self.next, Next::End) else {
                self.unnamed.warn(&self.folder);
                return Ok(None);
            };
            match self.page(Some(&token)).await {
                Ok(page) => self.take(page),
                Err(error) => {
                    self.next = Next::Page(token);
                    return Err(error);
                }
            }
        }
        let rest = self.ready.len().saturating_sub(BATCH_ENTRIES);
        Ok(Some(self.ready.split_off(rest)))
    }

    fn take_unnamed(&mut self) -> Vec<String> {
        self.unnamed.take()
    }
}

/// A folder. A store knows no times of folders.
pub(crate) fn folder_entry(name: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: EntryKind::Folder,
        size_bytes: 0,
        is_sealed: false,
        modified: Timestamp::UNIX_EPOCH,
        mode: FOLDER_MODE,
    }
}
