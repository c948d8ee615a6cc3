//! Looks at names, with as few requests as they take.

use super::client::{Head, Range};
use super::listing::folder_entry;
use super::{FILE_MODE, S3Bucket, metadata};
use qm_core::Result;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_core::ports::look::{Likely, Look};

/// A name and its folder are among the first keys that begin with it, unless it is the beginning
/// of many others.
const KEYS_NEAR: i32 = 16;

/// What is known of a name without looking at its object.
enum Near {
    Object,
    Folder,
    Nothing,
    /// Too many keys begin with the name.
    Unknown,
}

impl S3Bucket {
    /// What is under a key.
    pub(super) async fn look_at(&self, key: &ObjectKey, likely: Likely) -> Result<Look> {
        if let Some(hidden) = self.hidden.get(key) {
            return Ok(Look {
                entry: Some(hidden.entry(key.file_name())),
                identity: Some(hidden.version.identity),
                state: None,
            });
        }
        if likely == Likely::NoFile && !self.new_files.has(&key.as_prefix()) {
            match self.near(key).await? {
                Near::Folder => return Ok(folder(key)),
                Near::Nothing => return Ok(self.no_object(key)),
                Near::Object | Near::Unknown => {}
            }
        }
        let whole = self.keys.object(key);
        if let Some(head) = self.client.head(&whole, None).await? {
            return Ok(Look {
                entry: Some(file_entry(key.file_name(), &head)),
                identity: Some(metadata::identity(&head, self.client.place(&whole))),
                state: Some(head.etag),
            });
        }
        if self.is_folder(&key.as_prefix()).await? {
            return Ok(folder(key));
        }
        Ok(Look::default())
    }

    /// True if the folder is there, or was a moment ago.
    pub(super) async fn has_folder_now(&self, folder: &Prefix) -> Result<bool> {
        let Some(key) = folder.as_key() else {
            return Ok(true);
        };
        if self.seen_folders.has(folder) {
            return Ok(true);
        }
        let look = self.look_at(&key, Likely::NoFile).await?;
        Ok(look
            .entry
            .is_some_and(|entry| entry.kind == EntryKind::Folder))
    }

    /// One request that tells of the object and of the folder.
    async fn near(&self, key: &ObjectKey) -> Result<Near> {
        let asked = self.seen_folders.asked();
        let whole = self.keys.object(key);
        let range = Range {
            prefix: &whole,
            delimiter: Some("/"),
            entries_max: KEYS_NEAR,
        };
        let page = self.client.list_page(&range, None).await?;
        if !page.objects.is_empty() || !page.prefixes.is_empty() {
            self.seen_folders.note(key.folder(), asked);
        }
        if page.objects.iter().any(|object| object.key == whole) {
            return Ok(Near::Object);
        }
        // Not every store lists in order: a page that is cut short says only what it shows.
        if page.next.is_some() {
            return Ok(Near::Unknown);
        }
        let beginning = self.keys.folder(&key.as_prefix());
        if page.prefixes.contains(&beginning) {
            self.seen_folders.note(key.as_prefix(), asked);
            return Ok(Near::Folder);
        }
        Ok(Near::Nothing)
    }

    /// Uploads under temp names are no objects, and make folders all the same.
    fn no_object(&self, key: &ObjectKey) -> Look {
        if self.hidden.is_any_below(&key.as_prefix()) {
            folder(key)
        } else {
            Look::default()
        }
    }
}

fn folder(key: &ObjectKey) -> Look {
    Look {
        entry: Some(folder_entry(key.file_name())),
        ..Look::default()
    }
}

/// An object as a file.
pub(super) fn file_entry(name: &str, head: &Head) -> Entry {
    Entry {
        name: name.to_owned(),
        kind: EntryKind::File,
        size_bytes: head.size_bytes,
        is_sealed: metadata::is_sealed(&head.metadata),
        modified: head.modified,
        mode: FILE_MODE,
    }
}
