//! Folders: a marker, or keys that go on behind the name.

use super::Shared;
use super::errors::store_error;
use super::names;
use super::store::Below;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::FolderChange;
use qm_core::{Error, Kind, Result};

impl Shared {
    pub(super) async fn change_folder(&self, change: &FolderChange) -> Result<()> {
        match change {
            FolderChange::Make(key) => self.make(key).await,
            FolderChange::MakeAll(folder) => self.make_all(folder).await,
            FolderChange::Remove(key) => self.remove_folder(key).await,
            FolderChange::Rename { from, to } => self.rename_folder(from, to).await,
        }
    }

    /// What is below a folder.
    pub(super) async fn below(&self, folder: &Prefix) -> Result<Below> {
        let asked = self.seen_folders.asked();
        let below = self.store.below(&names::folder(folder)?).await;
        let below = below.map_err(store_error("look at a folder"))?;
        if below != Below::Nothing {
            self.seen_folders.note(folder.clone(), asked);
        }
        Ok(below)
    }

    async fn make(&self, key: &ObjectKey) -> Result<()> {
        let folder = key.as_prefix();
        if self.head(key).await?.is_some() || self.below(&folder).await? != Below::Nothing {
            return Err(Error::new(
                Kind::AlreadyExists,
                "that name is already taken",
            ));
        }
        let parent = key.folder();
        if !parent.is_root() && self.below(&parent).await? == Below::Nothing {
            return Err(
                Error::new(Kind::NotFound, "no such file or folder").during("make a folder")
            );
        }
        self.mark(&folder).await
    }

    async fn make_all(&self, folder: &Prefix) -> Result<()> {
        let mut next = folder.clone();
        while let Some(key) = next.as_key() {
            if self.below(&next).await? != Below::Nothing {
                return Ok(());
            }
            if self.head(&key).await?.is_some() {
                return Err(Error::new(
                    Kind::NotFound,
                    "a part of the path is not a folder",
                ));
            }
            self.mark(&next).await?;
            next = key.folder();
        }
        Ok(())
    }

    async fn remove_folder(&self, key: &ObjectKey) -> Result<()> {
        match self.below(&key.as_prefix()).await? {
            Below::Nothing => {
                Err(Error::new(Kind::NotFound, "no such file or folder").during("remove a folder"))
            }
            Below::Entries => Err(Error::new(Kind::Conflict, "the folder is not empty")),
            Below::Marker => self.unmark(&key.as_prefix()).await,
        }
    }

    async fn rename_folder(&self, from: &ObjectKey, to: &ObjectKey) -> Result<()> {
        let below = self.below(&from.as_prefix()).await?;
        if below == Below::Nothing {
            return Err(
                Error::new(Kind::NotFound, "no such file or folder").during("rename a folder")
            );
        }
        // Whether the new name is free is told first.
        if below == Below::Marker {
            self.make(to).await?;
            return self.unmark(&from.as_prefix()).await;
        }
        Err(Error::new(
            Kind::Unsupported,
            "only empty folders can be renamed",
        ))
    }

    async fn mark(&self, folder: &Prefix) -> Result<()> {
        let marked = self.store.mark(&names::folder(folder)?).await;
        marked.map_err(store_error("make a folder"))
    }

    async fn unmark(&self, folder: &Prefix) -> Result<()> {
        let removed = self.store.delete(&names::folder(folder)?, None).await;
        self.seen_folders.forget(folder);
        removed.map_err(store_error("remove a folder"))
    }
}
