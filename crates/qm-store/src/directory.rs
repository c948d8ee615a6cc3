//! The directory bucket: `file://`.

use async_trait::async_trait;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::confined::{ConfinedDisk, Durability};
use crate::disk::{Disk, DiskFile, DiskStat, FileKind};
use crate::envelope_page::PAGE_BYTES;
use crate::errors::{if_there, io_error};
use crate::folder_sync::FolderSyncs;
use crate::form::Form;
use crate::listing::{FileContent, FolderListing};
use crate::staged::{Home, StagedFile};
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath, Prefix, RESERVED_COMPONENT};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, Entry, FolderChange, Listing, Parked, Space, Staged, Staging,
};
use qm_core::ports::deposit::Put;
use qm_core::ports::encryption::Envelope;
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
    pub(crate) form: Form,
}

/// How many nodes have a folder open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nodes {
    One,
    Many,
    /// It does not matter.
    Any,
}

impl DirectoryBucket {
    /// Opens the folder as a bucket of bytes in clear; makes the folder and our own folder in it if
    /// they are not there. `Conflict` if another node has it open, or if it was sealed once.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self> {
        Self::open_as(Form::Clear, folder, durability, Nodes::One)
    }

    /// Opens the folder as a bucket whose files may begin with an envelope. Once opened so, it is
    /// never opened as one in clear again: ciphertext must not be taken for content.
    pub fn open_sealed(folder: &Path, durability: Durability) -> Result<Self> {
        Self::open_as(Form::Sealed, folder, durability, Nodes::One)
    }

    /// As [`DirectoryBucket::open`] or [`DirectoryBucket::open_sealed`], beside other nodes that
    /// open the folder so: their ledger keeps them from changing one name at once.
    pub fn open_shared(folder: &Path, durability: Durability, is_sealed: bool) -> Result<Self> {
        let form = if is_sealed { Form::Sealed } else { Form::Clear };
        Self::open_as(form, folder, durability, Nodes::Many)
    }

    /// As the others, whether or not nodes have the folder open: for a command that touches nothing
    /// but files of its own. It keeps no node from the folder.
    pub fn open_beside(folder: &Path, durability: Durability, is_sealed: bool) -> Result<Self> {
        let form = if is_sealed { Form::Sealed } else { Form::Clear };
        Self::open_as(form, folder, durability, Nodes::Any)
    }

    /// A bucket in clear on any disk.
    pub fn on(disk: Arc<dyn Disk>) -> Result<Self> {
        Self::on_as(Form::Clear, disk)
    }

    /// A sealed bucket on any disk.
    pub fn on_sealed(disk: Arc<dyn Disk>) -> Result<Self> {
        Self::on_as(Form::Sealed, disk)
    }

    fn open_as(form: Form, folder: &Path, durability: Durability, nodes: Nodes) -> Result<Self> {
        let opened =
            std::fs::create_dir_all(folder).and_then(|()| ConfinedDisk::open(folder, durability));
        let disk = opened.map_err(|error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot open the bucket's folder {}", folder.display()),
            )
            .source(error)
        })?;
        let bucket = Self::on_as(form, Arc::new(disk))
            .map_err(|error| error.with("folder", folder.display()))?;
        let lock = match nodes {
            Nodes::One => Some(FlockOperation::NonBlockingLockExclusive),
            Nodes::Many => Some(FlockOperation::NonBlockingLockShared),
            Nodes::Any => None,
        };
        Ok(Self {
            _lock: lock
                .map(|operation| lock_for(folder, operation))
                .transpose()?,
            ..bucket
        })
    }

    fn on_as(form: Form, disk: Arc<dyn Disk>) -> Result<Self> {
        let tree = Tree {
            disk,
            folder_syncs: Arc::default(),
            form,
        };
        for folder in [STAGING, KEPT] {
            tree.make_all(folder)
                .map_err(io_error("make the bucket's own folders"))?;
        }
        form.claim(tree.disk())?;
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
        qm_threads::run(move || work(&tree)).await
    }
}

fn lock_for(folder: &Path, operation: FlockOperation) -> Result<File> {
    let path = folder.join(RESERVED_COMPONENT).join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(io_error("open the bucket's lock"))?;
    rustix::fs::flock(&file, operation).map_err(|error| {
        Error::new(
            Kind::Conflict,
            format!(
                "another node already uses the bucket in {}",
                folder.display()
            ),
        )
        .help("stop it first, or give this node a folder of its own")
        .source(error)
    })?;
    Ok(file)
}

#[async_trait]
impl Bucket for DirectoryBucket {
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>> {
        self.blocking(move |tree| {
            let page = tree.form.page(staging.envelope.as_ref())?;
            let file = tree.create_staged(&staging)?;
            file.write_at(&page, 0)
                .map_err(io_error("begin an upload"))?;
            let begin = page.len() as u64;
            Ok(Box::new(tree.staged(&staging, file, begin, 0)) as Box<dyn Staged>)
        })
        .await
    }

    async fn resume(&self, staging: Staging, parked: &Parked) -> Result<Option<Box<dyn Staged>>> {
        if parked.token.0 != staging.version.to_string() {
            return Ok(None);
        }
        let parked_bytes = parked.size_bytes;
        self.blocking(move |tree| {
            let opened = if_there(tree.disk.open(&Tree::staging(staging.version), true));
            let Some(file) = opened.map_err(io_error("resume an upload"))? else {
                return Ok(None);
            };
            // A page that never reached the disk seals nothing that could be continued.
            let page = tree.form.read_page(&*file)?.map(|page| page.envelope);
            if page.is_some() != staging.envelope.is_some() {
                return Ok(None);
            }
            let begin = page.map_or(0, |_| PAGE_BYTES as u64);
            let there = file
                .stat()
                .map_err(io_error("resume an upload"))?
                .size_bytes;
            let received = parked_bytes.min(there.saturating_sub(begin));
            // What lies behind was never promised, and may be zeros that a hole left.
            file.set_len(begin + received)
                .map_err(io_error("resume an upload"))?;
            let staged = tree.staged(&staging, file, begin, received);
            Ok(Some(Box::new(staged) as Box<dyn Staged>))
        })
        .await
    }

    /// Every name of ours shows its file.
    async fn remember(&self, _path: &ObjectPath, _version: &Version) -> Result<()> {
        Ok(())
    }

    async fn run(&self, operation: &Operation) -> Result<()> {
        let operation = operation.clone();
        self.blocking(move |tree| tree.run(&operation)).await
    }

    async fn put(&self, put: Put<'_>) -> Result<()> {
        let (key, version) = (put.key.clone(), put.version.clone());
        let replaces = put.replaces.map(str::to_owned);
        self.blocking(move |tree| tree.put(&key, &version, replaces.as_deref()))
            .await
    }

    async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        let (key, identity) = (key.clone(), identity.to_owned());
        self.blocking(move |tree| tree.withdraw(&key, &identity))
            .await
    }

    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        let Some(stat) = self.tree.look(path.as_str())? else {
            return Ok(None);
        };
        if self.tree.form == Form::Clear || stat.kind != FileKind::File {
            return self.tree.entry(path.as_str(), &stat);
        }
        let path = path.clone();
        self.blocking(move |tree| tree.entry(path.as_str(), &stat))
            .await
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        let stat = self.tree.look(key.as_str())?;
        Ok(stat
            .filter(|stat| stat.kind == FileKind::File)
            .map(|stat| stat.identity))
    }

    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        let (tree, folder) = (Arc::clone(&self.tree), folder.clone());
        qm_threads::run(move || {
            let entries = tree
                .disk
                .entries(folder.as_str())
                .map_err(io_error("list a folder"))?;
            Ok(Box::new(FolderListing::new(tree, folder, entries)) as Box<dyn Listing>)
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
            Ok(Box::new(FileContent::new(file, tree.form)?) as Box<dyn Content>)
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
            let file = tree.find(version, &key, &identity, false)?;
            Ok(Box::new(FileContent::new(file, tree.form)?) as Box<dyn Content>)
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

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        let Ok(version) = token.0.parse() else {
            return Ok(());
        };
        self.blocking(move |tree| tree.unlink(&Tree::staging(version)))
            .await
    }

    async fn release(&self, version: VersionId, _key: &ObjectKey) -> Result<()> {
        // Only its name among the kept: what is current has another.
        self.blocking(move |tree| tree.unlink(&Tree::kept(version)))
            .await
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        self.blocking(move |tree| {
            let mut entries = tree
                .disk
                .entries(STAGING)
                .map_err(io_error("look for leftovers"))?;
            let mut tokens = Vec::new();
            while let Some(entry) = entries.next().map_err(io_error("look for leftovers"))? {
                if entry.stat.kind == FileKind::File && entry.name.parse::<VersionId>().is_ok() {
                    tokens.push(StagedToken(entry.name));
                }
            }
            Ok(tokens)
        })
        .await
    }

    async fn set_envelope(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()> {
        let (key, identity, envelope) = (key.clone(), identity.to_owned(), envelope.clone());
        self.blocking(move |tree| {
            let file = tree.find(version, &key, &identity, true)?;
            tree.form.replace_envelope(&*file, version, &envelope)
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
        staging: &Staging,
        file: Box<dyn DiskFile>,
        begin: u64,
        received_bytes: u64,
    ) -> StagedFile {
        let home = Home {
            disk: Arc::clone(&self.disk),
            folder_syncs: Arc::clone(&self.folder_syncs),
            folder: STAGING,
        };
        StagedFile::new(
            staging.version,
            staging.digest,
            file,
            begin,
            received_bytes,
            home,
        )
    }

    /// The file of a version, kept or current.
    fn find(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        writable: bool,
    ) -> Result<Box<dyn DiskFile>> {
        let kept = Self::kept(version);
        // Kept again at the end: the version may have moved there between the two looks.
        for path in [kept.as_str(), key.as_str(), kept.as_str()] {
            let opened =
                if_there(self.disk.open(path, writable)).map_err(io_error("open a version"))?;
            let Some(file) = opened else { continue };
            if file.stat().map_err(io_error("open a version"))?.identity == identity {
                return Ok(file);
            }
        }
        Err(
            Error::new(Kind::NotFound, "the bytes of this version are gone")
                .with("version", version),
        )
    }

    pub(crate) fn unlink(&self, path: &str) -> Result<()> {
        if_there(self.disk.unlink(path))
            .map(|_| ())
            .map_err(io_error("remove a version's bytes"))
    }
}
