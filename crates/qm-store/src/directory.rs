//! The directory bucket: `file://`.

use async_trait::async_trait;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::confined::{ConfinedDisk, Durability};
use crate::disk::{Disk, DiskStat, FileKind};
use crate::errors::{blocking, if_there, io_error};
use crate::folder_sync::FolderSyncs;
use crate::listing::{FileContent, FolderListing, to_entry};
use crate::staged::StagedFile;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, Prefix, RESERVED_COMPONENT};
use qm_core::operation::Operation;
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, Entry, FolderChange, Listing, Place, Space, Staged,
};
use qm_core::{Error, Kind, Result};

const STAGING: &str = ".quaymaster/staging";
pub(crate) const KEPT: &str = ".quaymaster/kept";

/// A tree on disk as a bucket.
pub struct DirectoryBucket {
    tree: Arc<Tree>,
    /// Two nodes on one tree would take each other's staged bytes for leftovers. The kernel
    /// releases it however the process ends.
    _lock: Option<File>,
}

/// What blocking work needs of the bucket.
pub(crate) struct Tree {
    disk: Arc<dyn Disk>,
    folder_syncs: Arc<FolderSyncs>,
}

impl DirectoryBucket {
    /// Opens the folder as a bucket; makes the folder and our own folder in it if they are not
    /// there. `Conflict` if another node has it open.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self> {
        let opened =
            std::fs::create_dir_all(folder).and_then(|()| ConfinedDisk::open(folder, durability));
        let disk = opened.map_err(|error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot open the bucket's folder {}", folder.display()),
            )
            .source(error)
        })?;
        let bucket = Self::on(Arc::new(disk))?;
        let lock = lock(folder)?;
        Ok(Self {
            _lock: Some(lock),
            ..bucket
        })
    }

    /// A bucket on any disk.
    pub fn on(disk: Arc<dyn Disk>) -> Result<Self> {
        let tree = Tree {
            disk,
            folder_syncs: Arc::default(),
        };
        for folder in [STAGING, KEPT] {
            tree.make_all(folder)
                .map_err(io_error("make the bucket's own folders"))?;
        }
        Ok(Self {
            tree: Arc::new(tree),
            _lock: None,
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tree = Arc::clone(&self.tree);
        blocking(move || work(&tree)).await
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(RESERVED_COMPONENT).join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(io_error("open the bucket's lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(
        |error| {
            Error::new(
                Kind::Conflict,
                format!(
                    "another node already uses the bucket in {}",
                    folder.display()
                ),
            )
            .help("stop it first, or give this node a folder of its own")
            .source(error)
        },
    )?;
    Ok(file)
}

#[async_trait]
impl Bucket for DirectoryBucket {
    async fn stage(&self, version: VersionId) -> Result<Box<dyn Staged>> {
        self.blocking(move |tree| {
            let file = tree
                .disk
                .create(&Tree::staging(version))
                .map_err(io_error("begin an upload"))?;
            Ok(Box::new(tree.staged(version, file, 0)) as Box<dyn Staged>)
        })
        .await
    }

    async fn resume(&self, version: VersionId, size_bytes: u64) -> Result<Option<Box<dyn Staged>>> {
        self.blocking(move |tree| {
            let opened = if_there(tree.disk.open(&Tree::staging(version), true));
            let Some(file) = opened.map_err(io_error("resume an upload"))? else {
                return Ok(None);
            };
            let there = file
                .stat()
                .map_err(io_error("resume an upload"))?
                .size_bytes;
            // What lies behind was never promised, and may be zeros that a hole left.
            file.set_len(size_bytes.min(there))
                .map_err(io_error("resume an upload"))?;
            let staged = tree.staged(version, file, size_bytes.min(there));
            Ok(Some(Box::new(staged) as Box<dyn Staged>))
        })
        .await
    }

    async fn run(&self, operation: &Operation) -> Result<()> {
        let operation = operation.clone();
        self.blocking(move |tree| tree.run(&operation)).await
    }

    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        let stat = self.tree.look(path.as_str())?;
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        Ok(stat.and_then(|stat| to_entry(name, &stat)))
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        let stat = self.tree.look(key.as_str())?;
        Ok(stat
            .filter(|stat| stat.kind == FileKind::File)
            .map(|stat| stat.identity))
    }

    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        let folder = folder.clone();
        self.blocking(move |tree| {
            let entries = tree
                .disk
                .entries(folder.as_str())
                .map_err(io_error("list a folder"))?;
            let hidden = folder.is_root().then_some(RESERVED_COMPONENT);
            Ok(Box::new(FolderListing::new(entries, hidden)) as Box<dyn Listing>)
        })
        .await
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let key = key.clone();
        self.blocking(move |tree| {
            let file = tree
                .disk
                .open(key.as_str(), false)
                .map_err(io_error("open a file"))?;
            Ok(Box::new(FileContent::new(file)?) as Box<dyn Content>)
        })
        .await
    }

    async fn open_version(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Box<dyn Content>> {
        let (key, identity) = (key.clone(), identity.to_owned());
        self.blocking(move |tree| {
            let kept = Tree::kept(version);
            // Kept again at the end: the version may have moved there between the two looks.
            for path in [kept.as_str(), key.as_str(), kept.as_str()] {
                let opened =
                    if_there(tree.disk.open(path, false)).map_err(io_error("open a version"))?;
                let Some(file) = opened else { continue };
                if file.stat().map_err(io_error("open a version"))?.identity == identity {
                    return Ok(Box::new(FileContent::new(file)?) as Box<dyn Content>);
                }
            }
            Err(
                Error::new(Kind::NotFound, "the bytes of this version are gone")
                    .with("version", version),
            )
        })
        .await
    }

    async fn set_attributes(&self, path: &Prefix, attributes: Attributes) -> Result<()> {
        let path = path.clone();
        self.blocking(move |tree| {
            tree.disk
                .set_attributes(path.as_str(), attributes.modified, attributes.mode)
                .map_err(io_error("set attributes"))
        })
        .await
    }

    async fn change_folder(&self, change: FolderChange) -> Result<()> {
        self.blocking(move |tree| tree.change_folder(&change)).await
    }

    async fn discard(&self, version: VersionId, place: Place) -> Result<()> {
        self.blocking(move |tree| {
            let path = match place {
                Place::Staging => Tree::staging(version),
                Place::Kept => Tree::kept(version),
            };
            if_there(tree.disk.unlink(&path))
                .map(|_| ())
                .map_err(io_error("remove a version's bytes"))
        })
        .await
    }

    async fn leftovers(&self, place: Place) -> Result<Vec<VersionId>> {
        self.blocking(move |tree| {
            let folder = match place {
                Place::Staging => STAGING,
                Place::Kept => KEPT,
            };
            let mut entries = tree
                .disk
                .entries(folder)
                .map_err(io_error("look for leftovers"))?;
            let mut versions = Vec::new();
            while let Some(entry) = entries.next().map_err(io_error("look for leftovers"))? {
                if let (FileKind::File, Ok(version)) = (entry.stat.kind, entry.name.parse()) {
                    versions.push(version);
                }
            }
            Ok(versions)
        })
        .await
    }

    async fn space(&self) -> Result<Space> {
        self.blocking(|tree| tree.disk.space().map_err(io_error("measure the disk")))
            .await
    }
}

impl Tree {
    pub(crate) fn staging(version: VersionId) -> String {
        format!("{STAGING}/{version}")
    }

    pub(crate) fn kept(version: VersionId) -> String {
        format!("{KEPT}/{version}")
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.folder_syncs
            .sync(folder, || self.disk.sync_folder(folder))
    }

    /// Not on a thread of its own: it asks the disk for nothing that the kernel does not hold
    /// already, and is over sooner than another thread is woken. Every request of a client makes
    /// several.
    fn look(&self, path: &str) -> Result<Option<DiskStat>> {
        if_there(self.disk.stat(path)).map_err(io_error("look at a name"))
    }

    fn staged(
        &self,
        version: VersionId,
        file: Box<dyn crate::disk::DiskFile>,
        received_bytes: u64,
    ) -> StagedFile {
        StagedFile::new(
            version,
            file,
            received_bytes,
            Arc::clone(&self.disk),
            Arc::clone(&self.folder_syncs),
            STAGING,
        )
    }

    fn change_folder(&self, change: &FolderChange) -> Result<()> {
        match change {
            FolderChange::Make(key) => {
                self.disk
                    .make_folder(key.as_str())
                    .map_err(io_error("make a folder"))?;
                self.sync_folder(key.folder().as_str())
                    .map_err(io_error("make a folder durable"))
            }
            FolderChange::MakeAll(prefix) => self
                .make_all(prefix.as_str())
                .map_err(io_error("make folders")),
            FolderChange::Remove(key) => {
                self.disk
                    .remove_folder(key.as_str())
                    .map_err(io_error("remove a folder"))?;
                self.sync_folder(key.folder().as_str())
                    .map_err(io_error("make a removal durable"))
            }
            FolderChange::Rename { from, to } => {
                let mut entries = self
                    .disk
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
                self.disk
                    .rename_folder(from.as_str(), to.as_str())
                    .map_err(io_error("rename a folder"))?;
                self.sync_folder(to.folder().as_str())
                    .map_err(io_error("make a new name durable"))?;
                self.sync_folder(from.folder().as_str())
                    .map_err(io_error("make a new name durable"))
            }
        }
    }

    fn make_all(&self, folder: &str) -> io::Result<()> {
        let mut path = String::new();
        for component in folder.split('/').filter(|component| !component.is_empty()) {
            let parent = path.clone();
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
            match self.disk.make_folder(&path) {
                Ok(()) => self.disk.sync_folder(&parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
