//! Name operations on a tree. Each is recorded in the ledger before it runs here and may be run
//! again after a crash at any instant: every step first looks whether it is done.

use std::io;

use crate::directory::Tree;
use crate::disk::{DiskStat, FileKind};
use crate::errors::{if_there, io_error};
use qm_core::id::VersionId;
use qm_core::name::ObjectKey;
use qm_core::operation::{Change, Operation, Version};
use qm_core::{Error, Kind, Result};

impl Tree {
    /// Runs the operation to its end; durable when it returns.
    pub(crate) fn run(&self, operation: &Operation) -> Result<()> {
        let key = &operation.path.key;
        match &operation.change {
            Change::Publish => {
                let version = needed(operation)?;
                self.arrive(operation, version, &Self::staging(version.id))
            }
            Change::Rename { to } => self.rename(operation, key, to),
            Change::Remove => self.remove(operation, key),
            Change::Restore => {
                let version = needed(operation)?;
                self.copy_from_kept(version)?;
                self.arrive(operation, version, &Self::staging(version.id))
            }
        }
    }

    /// Moves staged bytes under the key.
    fn arrive(&self, operation: &Operation, version: &Version, staged: &str) -> Result<()> {
        let key = operation.path.key.as_str();
        let there = self.stat(key)?;
        if self.stat(staged)?.is_some() {
            // A crash may have kept both names of the file; recovery removes the staged one.
            if !is(there.as_ref(), version) {
                self.keep_aside(operation, key, there.as_ref())?;
                self.disk()
                    .rename(staged, key)
                    .map_err(|error| no_folder(error, "publish"))?;
            }
        } else if !is(there.as_ref(), version) && self.stat(&Self::kept(version.id))?.is_none() {
            return Err(Error::new(Kind::NotFound, "the received bytes are gone")
                .during("publish")
                .with("version", version.id)
                .with("key", key));
        }
        self.sync_folder_of(&operation.path.key)
    }

    fn rename(&self, operation: &Operation, from: &ObjectKey, to: &ObjectKey) -> Result<()> {
        let source = self.stat(from.as_str())?;
        let target = self.stat(to.as_str())?;
        if let Some(source) = &source {
            let is_moved = operation
                .version
                .as_ref()
                .is_some_and(|version| source.identity != version.identity);
            let is_linked = target
                .as_ref()
                .is_some_and(|target| target.identity == source.identity);
            if is_linked {
                self.disk()
                    .unlink(from.as_str())
                    .map_err(io_error("remove a renamed name"))?;
            } else if !is_moved {
                if let (true, Some(version)) = (operation.keep_moved, &operation.version) {
                    self.keep(from.as_str(), source, version.id)?;
                }
                self.keep_aside(operation, to.as_str(), target.as_ref())?;
                self.disk()
                    .rename(from.as_str(), to.as_str())
                    .map_err(|error| no_folder(error, "rename"))?;
            } else if !operation
                .version
                .as_ref()
                .is_some_and(|version| is(target.as_ref(), version))
            {
                return Err(Error::new(
                    Kind::Conflict,
                    "somebody else changed the file meanwhile",
                ));
            }
        } else if target.is_none() {
            return Err(Error::new(Kind::NotFound, "the file is gone")
                .during("rename")
                .with("key", from));
        }
        // The new name first: a crash between the two may show both names, never none.
        self.sync_folder_of(to)?;
        self.sync_folder_of(from)
    }

    fn remove(&self, operation: &Operation, key: &ObjectKey) -> Result<()> {
        if let Some(there) = self.stat(key.as_str())? {
            // Another file under the name was not meant.
            if operation
                .version
                .as_ref()
                .is_none_or(|version| there.identity == version.identity)
            {
                self.keep_aside(operation, key.as_str(), Some(&there))?;
                self.disk()
                    .unlink(key.as_str())
                    .map_err(io_error("remove a file"))?;
            }
        }
        self.sync_folder_of(key)
    }

    /// Keeps what the operation takes from under `key`, if something still needs it.
    fn keep_aside(&self, operation: &Operation, key: &str, there: Option<&DiskStat>) -> Result<()> {
        match (operation.replaces, there) {
            (Some(version), Some(there)) if operation.keep_aside => self.keep(key, there, version),
            // One that was brought back has its name among the kept still.
            (Some(version), Some(_)) => self.unlink(&Self::kept(version)),
            (_, None) | (None, _) => Ok(()),
        }
    }

    /// Gives the file a second name among the kept, durable before its own goes.
    fn keep(&self, key: &str, there: &DiskStat, version: VersionId) -> Result<()> {
        if there.kind != FileKind::File {
            return Err(Error::new(Kind::Conflict, "that name is a folder"));
        }
        match self.disk().link(key, &Self::kept(version)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("keep a version")(error)),
        }
        self.disk()
            .sync_folder(crate::directory::KEPT)
            .map_err(io_error("keep a version"))
    }

    /// A second staged name for kept bytes: what is kept stays kept.
    fn copy_from_kept(&self, version: &Version) -> Result<()> {
        match self
            .disk()
            .link(&Self::kept(version.id), &Self::staging(version.id))
        {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(io_error("bring back a version")(error)),
        }
    }

    pub(crate) fn stat(&self, path: &str) -> Result<Option<DiskStat>> {
        if_there(self.disk().stat(path)).map_err(io_error("look at a name"))
    }

    pub(crate) fn sync_folder_of(&self, key: &ObjectKey) -> Result<()> {
        match self.sync_folder(key.folder().as_str()) {
            // The folder itself is gone, and with it the name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(io_error("make a name durable")),
        }
    }
}

pub(crate) fn is(there: Option<&DiskStat>, version: &Version) -> bool {
    there.is_some_and(|there| there.identity == version.identity)
}

fn needed(operation: &Operation) -> Result<&Version> {
    operation.version.as_ref().ok_or_else(|| {
        Error::new(Kind::Bug, "the server met an internal error")
            .during("run a name operation without version")
            .with("operation", operation.seq.0)
    })
}

pub(crate) fn no_folder(error: io::Error, operation: &'static str) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new(
            Kind::NotFound,
            "the folder of this file does not exist any more",
        )
        .during(operation)
        .source(error);
    }
    io_error(operation)(error)
}
