//! Where a delivery lands: a folder below the destination's folder, reached component by
//! component without following a link, and the two names in it.

use parking_lot::Mutex;
use qm_core::Result;
use qm_core::config::Directory;
use qm_core::name::ObjectKey;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid, fchmod, fchown, fsync,
    mkdirat, open, openat2, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::faults::{attribute_fault, fault};

/// INV-3: a name never leaves the folder it is looked up in, whatever lies there.
pub(super) const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// Nobody else reads a file or folder that is not finished; the configured permissions follow.
pub(super) const UNFINISHED_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const UNFINISHED_FOLDER: Mode = Mode::RWXU;

/// The configured folder and how files and folders in it are made.
pub(super) struct Site {
    config: Directory,
    /// Two deliveries that need the same new folder make it one after the other.
    making: Mutex<()>,
}

/// The folder of one delivery's target and the names in it.
#[derive(Debug)]
pub(super) struct Place {
    folder: OwnedFd,
    root: PathBuf,
    target: String,
    name: String,
    temp: String,
}

/// Whether folders on the way to the target are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missing {
    /// They are.
    Make,
    /// They are not: then there is no place.
    Leave,
}

impl Site {
    pub(super) fn new(config: Directory) -> Self {
        Self {
            config,
            making: Mutex::new(()),
        }
    }

    /// The place of `target`; `None` only with [`Missing::Leave`]. `mark` tells what is unfinished of
    /// one delivery from that of all others.
    pub(super) fn place(
        &self,
        target: &ObjectKey,
        mark: &str,
        missing: Missing,
    ) -> Result<Option<Place>> {
        let root = &self.config.folder;
        let folder = target.folder();
        // The operator's own path may go through links; what lies below it may not.
        let mut at = open(root, FOLDER, Mode::empty())
            .map_err(|errno| fault("opening the destination folder", root, ".", errno))?;
        let fail = |errno| fault("opening a folder", root, folder.as_str(), errno);
        for component in folder.as_str().split('/').filter(|c| !c.is_empty()) {
            at = match (open_folder(&at, component), missing) {
                (Ok(next), _) => next,
                (Err(Errno::NOENT), Missing::Leave) => return Ok(None),
                (Err(Errno::NOENT), Missing::Make) => {
                    self.make_folder(&at, component, mark)?;
                    open_folder(&at, component).map_err(fail)?
                }
                (Err(errno), _) => return Err(fail(errno)),
            };
        }
        Ok(Some(Place {
            folder: at,
            root: root.clone(),
            target: target.as_str().to_owned(),
            name: target.file_name().to_owned(),
            temp: format!(".qm-{mark}.tmp"),
        }))
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.config.folder
    }

    /// The permissions of files.
    pub(super) fn mode(&self) -> u32 {
        self.config.mode
    }

    /// Gives a file its configured owner and permissions.
    pub(super) fn dress_file(&self, file: impl AsFd, name: &str) -> Result<()> {
        self.dress(file, name, self.config.mode)
    }

    fn dress(&self, file: impl AsFd, name: &str, mode: u32) -> Result<()> {
        let fail = |errno| attribute_fault(&self.config.folder, name, errno);
        let (uid, gid) = (self.config.uid, self.config.gid);
        if uid.is_some() || gid.is_some() {
            fchown(&file, uid.map(Uid::from_raw), gid.map(Gid::from_raw)).map_err(fail)?;
        }
        fchmod(file, Mode::from_raw_mode(mode)).map_err(fail)
    }

    /// A folder shows under its name only with its owner and permissions, also after a crash.
    fn make_folder(&self, parent: &OwnedFd, name: &str, mark: &str) -> Result<()> {
        let _one_at_a_time = self.making.lock();
        let temp = format!(".qm-{mark}.folder");
        let fail = |errno| fault("making a folder", &self.config.folder, name, errno);
        remove_folder(parent, &temp).map_err(fail)?;
        mkdirat(parent, &temp, UNFINISHED_FOLDER).map_err(fail)?;
        let made = open_folder(parent, &temp)
            .map_err(fail)
            .and_then(|folder| {
                self.dress(&folder, name, self.config.folder_mode)?;
                sync_folder(&folder).map_err(fail)
            })
            .and_then(|()| rename_new_folder(parent, &temp, name).map_err(fail));
        if made.is_err() {
            // The first error counts; what cannot be removed is replaced by the next attempt.
            let _ = remove_folder(parent, &temp);
        }
        made?;
        sync_folder(parent).map_err(fail)
    }
}

impl Place {
    /// An empty temp file beside the target; one left by an earlier attempt is replaced.
    pub(super) fn create_temp(&self) -> Result<OwnedFd> {
        self.remove_temp()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat2(&self.folder, &self.temp, flags, UNFINISHED_FILE, CONFINED)
            .map_err(|errno| self.fault("creating the temporary file", errno))
    }

    /// `Ok` if there is none.
    pub(super) fn remove_temp(&self) -> Result<()> {
        remove_file(&self.folder, &self.temp)
            .map_err(|errno| self.fault("removing the temporary file", errno))
    }

    /// Refuses a target under whose name a folder, link or device lies.
    pub(super) fn check_target(&self) -> Result<()> {
        let stat = match statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(self.fault("looking at the target", errno)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Directory => Err(self.fault("looking at the target", Errno::ISDIR)),
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(self.fault("looking at the target", Errno::LOOP)),
        }
    }

    /// The temp file becomes the target; durable after [`Place::sync`].
    pub(super) fn publish(&self) -> Result<()> {
        self.check_target()?;
        renameat(&self.folder, &self.temp, &self.folder, &self.name)
            .map_err(|errno| self.fault("renaming to the target", errno))
    }

    /// `Ok` if there is none.
    pub(super) fn remove_target(&self) -> Result<()> {
        remove_file(&self.folder, &self.name)
            .map_err(|errno| self.fault("removing the file", errno))
    }

    /// The target's file, if there is a regular one.
    pub(super) fn open_target(&self) -> Result<Option<OwnedFd>> {
        self.check_target()?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match openat2(&self.folder, &self.name, flags, Mode::empty(), CONFINED) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.fault("opening the target", errno)),
        }
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<()> {
        sync_folder(&self.folder).map_err(|errno| self.fault("syncing the folder", errno))
    }

    /// The folder of the target, and the target's name in it.
    pub(super) fn name(&self) -> (&OwnedFd, &str) {
        (&self.folder, &self.name)
    }

    /// The target, for attributes and messages.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// An error of the file system about this target.
    pub(super) fn fault(&self, operation: &'static str, errno: Errno) -> qm_core::Error {
        fault(operation, &self.root, &self.target, errno)
    }
}

fn open_folder(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    openat2(parent, name, FOLDER, Mode::empty(), CONFINED)
}

/// Somebody else having made it meanwhile is as good.
fn rename_new_folder(parent: &OwnedFd, temp: &str, name: &str) -> Result<(), Errno> {
    let renamed = match renameat_with(parent, temp, parent, name, RenameFlags::NOREPLACE) {
        // NFS has no such flag. A plain rename replaces no file and no folder with anything in it.
        Err(Errno::INVAL | Errno::NOSYS) => renameat(parent, temp, parent, name),
        other => other,
    };
    match renamed {
        Err(Errno::EXIST | Errno::NOTEMPTY) => remove_folder(parent, temp),
        other => other,
    }
}

fn remove_file(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn remove_folder(parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// File systems that cannot sync a folder say EINVAL; there is nothing more to be had from them.
fn sync_folder(folder: &OwnedFd) -> Result<(), Errno> {
    match fsync(folder) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}
