//! Folders. A store has none: a folder is there if a key begins with its name, which may be its
//! marker, an empty object whose key ends with `/`.

use bytes::Bytes;

use super::S3Bucket;
use super::client::{Existing, Metadata, PartBody, Range};
use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::{EntryKind, FolderChange};
use qm_core::{Error, Kind, Result};

/// What is in a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Inside {
    /// No key begins with its name.
    Nowhere,
    /// Nothing but its marker.
    Marker,
    /// Something.
    Something,
}

impl S3Bucket {
    /// Makes, removes or renames a folder.
    pub(super) async fn run_folder_change(&self, change: &FolderChange) -> Result<()> {
        match change {
            FolderChange::Make(key) => {
                self.check_room_for(key).await?;
                self.put_marker(&key.as_prefix()).await
            }
            FolderChange::MakeAll(folder) => self.make_all(folder).await,
            FolderChange::Remove(key) => {
                let folder = key.as_prefix();
                match self.inside(&folder).await? {
                    Inside::Nowhere => return Err(no_folder()),
                    Inside::Something => {
                        return Err(Error::new(Kind::Conflict, "the folder is not empty"));
                    }
                    Inside::Marker => {}
                }
                self.remove_marker(&folder).await
            }
            FolderChange::Rename { from, to } => {
                match self.inside(&from.as_prefix()).await? {
                    Inside::Nowhere => return Err(no_folder()),
                    Inside::Something => {
                        return Err(Error::new(
                            Kind::Unsupported,
                            "only empty folders can be renamed here; make a new folder and move the files",
                        ));
                    }
                    Inside::Marker => {}
                }
                self.check_room_for(to).await?;
                self.put_marker(&to.as_prefix()).await?;
                self.remove_marker(&from.as_prefix()).await
            }
        }
    }

    /// True if the folder is there.
    pub(super) async fn is_folder(&self, folder: &Prefix) -> Result<bool> {
        if folder.is_root() || self.hidden.is_any_below(folder) {
            return Ok(true);
        }
        let asked = self.seen_folders.asked();
        let beginning = self.keys.folder(folder);
        let is_there = !self.first_keys(&beginning, 1).await?.is_empty();
        if is_there {
            self.seen_folders.note(folder.clone(), asked);
        }
        Ok(is_there)
    }

    /// After the last file of a folder went away: the folder does not go with it.
    pub(super) async fn keep_folder_of(&self, key: &ObjectKey) -> Result<()> {
        let folder = key.folder();
        if self.is_folder(&folder).await? {
            return Ok(());
        }
        self.put_marker(&folder).await
    }

    async fn inside(&self, folder: &Prefix) -> Result<Inside> {
        if self.hidden.is_any_below(folder) {
            return Ok(Inside::Something);
        }
        let marker = self.keys.folder(folder);
        let first = self.first_keys(&marker, 2).await?;
        Ok(match first.as_slice() {
            [] => Inside::Nowhere,
            [only] if *only == marker => Inside::Marker,
            _ => Inside::Something,
        })
    }

    async fn first_keys(&self, beginning: &str, entries_max: i32) -> Result<Vec<String>> {
        let range = Range {
            prefix: beginning,
            delimiter: None,
            entries_max,
        };
        let page = self.client.list_page(&range, None).await?;
        Ok(page.objects.into_iter().map(|object| object.key).collect())
    }

    async fn make_all(&self, folder: &Prefix) -> Result<()> {
        if self.is_folder(folder).await? {
            return Ok(());
        }
        // From the top, so that the parents stay when this one is removed again.
        let slashes = folder.as_str().match_indices('/').map(|(at, _)| at);
        for end in slashes.chain([folder.as_str().len()]) {
            let part = folder.as_str().get(..end).unwrap_or_default();
            self.put_marker(&Prefix::parse(part)?).await?;
        }
        Ok(())
    }

    /// A new name below a folder that is there.
    async fn check_room_for(&self, key: &ObjectKey) -> Result<()> {
        if self.look(&key.as_prefix()).await?.is_some() {
            return Err(Error::new(
                Kind::AlreadyExists,
                "that name is already taken",
            ));
        }
        let parent = self.look(&key.folder()).await?;
        if parent.is_some_and(|parent| parent.kind == EntryKind::Folder) {
            return Ok(());
        }
        Err(no_folder())
    }

    async fn put_marker(&self, folder: &Prefix) -> Result<()> {
        let marker = self.keys.folder(folder);
        self.client
            .put(
                &marker,
                PartBody::Bytes(Bytes::new()),
                Metadata::new(),
                Existing::Replace,
            )
            .await
    }

    async fn remove_marker(&self, folder: &Prefix) -> Result<()> {
        let deleted = self.client.delete(&self.keys.folder(folder), None).await;
        self.seen_folders.forget(folder);
        deleted?;
        match folder.as_key() {
            Some(key) => self.keep_folder_of(&key).await,
            None => Ok(()),
        }
    }
}

fn no_folder() -> Error {
    Error::new(Kind::NotFound, "no such file or folder").during("change a folder")
}
