//! The real file system, confined to one root by `openat2`: no path leaves the root, and no link
//! is followed, whoever planted it and whenever (INV-3). The last component is always used with
//! an `*at` call on its resolved parent.

use jiff::Timestamp;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    self, AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, StatVfs, StatxFlags, Timespec,
    Timestamps, UTIME_OMIT,
};
use std::io;
use std::path::Path;

use crate::disk::{Disk, DiskEntries, DiskEntry, DiskFile, DiskStat, FileKind};
use qm_core::ports::bucket::Space;

/// Whether syncs reach the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// They do.
    Full,
    /// They do nothing: only to measure what durability costs.
    OffForComparison,
}

/// A directory of this machine.
pub struct ConfinedDisk {
    root: OwnedFd,
    durability: Durability,
}

const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o750);
/// The owner, which is us, must always be able to read and replace.
const OWNER_BITS: u32 = 0o600;
const PERMISSION_BITS: u32 = 0o777;
/// What a partner may set: nothing for others, who are every user of this machine.
const SETTABLE_BITS: u32 = 0o770;

impl ConfinedDisk {
    /// Opens an existing folder as root; fails with `Unsupported` on a kernel without `openat2`
    /// (before 5.6) or a sandbox that forbids it.
    pub fn open(root: &Path, durability: Durability) -> io::Result<Self> {
        let root = fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let disk = Self { root, durability };
        match disk.resolve("", OFlags::PATH) {
            Ok(_) => Ok(disk),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel or its sandbox does not offer openat2 (Linux 5.6 or later)",
            )),
            Err(error) => Err(error.into()),
        }
    }

    fn resolve(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        fs::openat2(
            &self.root,
            path,
            flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The folder that holds the last component, and that component.
    fn parent<'a>(&self, path: &'a str) -> rustix::io::Result<(Folder<'_>, &'a str)> {
        match path.rsplit_once('/') {
            None => Ok((Folder::Root(self.root.as_fd()), path)),
            Some((folder, name)) => self
                .resolve(folder, OFlags::PATH | OFlags::DIRECTORY)
                .map(|fd| (Folder::Below(fd), name)),
        }
    }
}

enum Folder<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

impl Disk for ConfinedDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let (folder, name) = self.parent(path)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(folder, name, flags, FILE_MODE)?;
        Ok(Box::new(ConfinedFile {
            file: file.into(),
            durability: self.durability,
        }))
    }

    fn open(&self, path: &str, writable: bool) -> io::Result<Box<dyn DiskFile>> {
        // NONBLOCK: opening a planted pipe must not hang.
        let access = if writable {
            OFlags::RDWR
        } else {
            OFlags::RDONLY
        };
        let fd = self.resolve(path, access | OFlags::NONBLOCK)?;
        let file = ConfinedFile {
            file: fd.into(),
            durability: self.durability,
        };
        match file.stat()?.kind {
            FileKind::File => Ok(Box::new(file)),
            FileKind::Folder => Err(io::ErrorKind::IsADirectory.into()),
            FileKind::Other => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn stat(&self, path: &str) -> io::Result<DiskStat> {
        if path.is_empty() {
            return stat_of(&self.root, "", AtFlags::EMPTY_PATH).map_err(Into::into);
        }
        let (folder, name) = self.parent(path)?;
        Ok(stat_of(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn entries(&self, path: &str) -> io::Result<Box<dyn DiskEntries>> {
        let folder = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let entries = fs::Dir::read_from(&folder)?;
        Ok(Box::new(ConfinedEntries { folder, entries }))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(fs::linkat(
            from_folder,
            from,
            to_folder,
            to,
            AtFlags::empty(),
        )?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(fs::renameat(from_folder, from, to_folder, to)?)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::mkdirat(folder, name, FOLDER_MODE)?)
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
    }

    fn rename_folder(&self, from: &str, to: &str) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(fs::renameat_with(
            from_folder,
            from,
            to_folder,
            to,
            RenameFlags::NOREPLACE,
        )?)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        if self.durability == Durability::OffForComparison {
            return Ok(());
        }
        Ok(fs::fsync(
            self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?,
        )?)
    }

    fn set_attributes(
        &self,
        path: &str,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        let fd = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        if stat_of(&fd, "", AtFlags::EMPTY_PATH)?.kind == FileKind::Other {
            return Err(io::ErrorKind::NotFound.into());
        }
        set_attributes(fd.as_fd(), modified, mode)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>> {
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(folder, name, flags, FILE_MODE)?;
        fs::flock(&file, fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn space(&self) -> io::Result<Space> {
        let StatVfs {
            f_frsize,
            f_blocks,
            f_bavail,
            f_files,
            f_favail,
            ..
        } = fs::fstatvfs(&self.root)?;
        Ok(Space {
            total_bytes: f_blocks.saturating_mul(f_frsize),
            free_bytes: f_bavail.saturating_mul(f_frsize),
            total_files: f_files,
            free_files: f_favail,
        })
    }
}

struct ConfinedFile {
    file: std::fs::File,
    durability: Durability,
}

impl DiskFile for ConfinedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            match std::os::unix::fs::FileExt::read_at(&self.file, &mut buffer[filled..], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.file.set_len(size_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.durability {
            Durability::Full => self.file.sync_data(),
            Durability::OffForComparison => Ok(()),
        }
    }

    fn stat(&self) -> io::Result<DiskStat> {
        Ok(stat_of(&self.file, "", AtFlags::EMPTY_PATH)?)
    }

    fn set_attributes(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        set_attributes(self.file.as_fd(), modified, mode)
    }
}

struct ConfinedEntries {
    folder: OwnedFd,
    entries: fs::Dir,
}

impl DiskEntries for ConfinedEntries {
    fn next(&mut self) -> io::Result<Option<DiskEntry>> {
        for entry in self.entries.by_ref() {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            match stat_of(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    if stat.kind != FileKind::Other {
                        return Ok(Some(DiskEntry {
                            name: name.to_owned(),
                            stat,
                        }));
                    }
                }
                // Removed since the folder was read.
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// The identity is the inode and its birth, not the device: a device's number changes when the
/// machine starts again or the file system is mounted elsewhere.
fn stat_of(folder: impl AsFd, path: &str, flags: AtFlags) -> rustix::io::Result<DiskStat> {
    let stat = fs::statx(
        folder,
        path,
        flags,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME,
    )?;
    let kind = match fs::FileType::from_raw_mode(stat.stx_mode.into()) {
        fs::FileType::RegularFile => FileKind::File,
        fs::FileType::Directory => FileKind::Folder,
        fs::FileType::Symlink
        | fs::FileType::Fifo
        | fs::FileType::Socket
        | fs::FileType::CharacterDevice
        | fs::FileType::BlockDevice
        | fs::FileType::Unknown => FileKind::Other,
    };
    let nanoseconds = i32::try_from(stat.stx_mtime.tv_nsec).unwrap_or_default();
    let birth = &stat.stx_btime;
    Ok(DiskStat {
        kind,
        size_bytes: stat.stx_size,
        modified: Timestamp::new(stat.stx_mtime.tv_sec, nanoseconds).unwrap_or_default(),
        mode: u32::from(stat.stx_mode) & PERMISSION_BITS,
        identity: format!("{:x}-{:x}.{:x}", stat.stx_ino, birth.tv_sec, birth.tv_nsec),
    })
}

fn set_attributes(
    fd: BorrowedFd<'_>,
    modified: Option<Timestamp>,
    mode: Option<u32>,
) -> io::Result<()> {
    let is_folder = fs::FileType::from_raw_mode(fs::fstat(fd)?.st_mode) == fs::FileType::Directory;
    // Folders keep the permissions we gave them: a partner must not open the tree to others.
    if let Some(mode) = mode.filter(|_| !is_folder) {
        fs::fchmod(fd, Mode::from_raw_mode((mode & SETTABLE_BITS) | OWNER_BITS))?;
    }
    if let Some(modified) = modified {
        let last_modification = Timespec {
            tv_sec: modified.as_second(),
            tv_nsec: modified.subsec_nanosecond().into(),
        };
        let last_access = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        fs::futimens(
            fd,
            &Timestamps {
                last_access,
                last_modification,
            },
        )?;
    }
    Ok(())
}
