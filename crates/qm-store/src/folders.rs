//! Folders of a tree.

use std::io;

use crate::directory::Tree;
use crate::errors::io_error;
use qm_core::ports::bucket::FolderChange;
use qm_core::{Error, Kind, Result};

impl Tree {
    /// Makes, removes or renames one; durable when it returns.
    pub(crate) fn change_folder(&self, change: &FolderChange) -> Result<()> {
        match change {
            FolderChange::Make(key) => {
                self.disk()
                    .make_folder(key.as_str())
                    .map_err(io_error("make a folder"))?;
                self.sync_folder(key.folder().as_str())
                    .map_err(io_error("make a folder durable"))
            }
            FolderChange::MakeAll(prefix) => self
                .make_all(prefix.as_str())
                .map_err(io_error("make folders")),
            FolderChange::Remove(key) => {
                self.disk()
                    .remove_folder(key.as_str())
                    .map_err(io_error("remove a folder"))?;
                self.sync_folder(key.folder().as_str())
                    .map_err(io_error("make a removal durable"))
            }
            FolderChange::Rename { from, to } => {
                let mut entries = self
                    .disk()
                    .entries(from.as_str())
                    .map_err(io_error("rename a folder"))?;
                if entries
                    .next()
                    .map_err(io_error("rename a folder"))?
                    .is_some()
                {
                    return Err(Error::new(
                        Kind::Unsupported,
                        "only empty folders can be renamed here; make a new folder and move the files",
                    ));
                }
                self.disk()
                    .rename_folder(from.as_str(), to.as_str())
                    .map_err(io_error("rename a folder"))?;
                self.sync_folder(to.folder().as_str())
                    .map_err(io_error("make a new name durable"))?;
                self.sync_folder(from.folder().as_str())
                    .map_err(io_error("make a new name durable"))
            }
        }
    }

    /// Makes one and its parents, where they are not there.
    pub(crate) fn make_all(&self, folder: &str) -> io::Result<()> {
        let mut path = String::new();
        for component in folder.split('/').filter(|component| !component.is_empty()) {
            let parent = path.clone();
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
            match self.disk().make_folder(&path) {
                Ok(()) => self.disk().sync_folder(&parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
