//! The few things a directory bucket asks of a file system. Paths are relative to the bucket's
//! root, `/` between components, and already canonical. A port so that a test can lose everything
//! that was not synced.

use jiff::Timestamp;
use std::io;

use qm_core::ports::bucket::Space;

/// A file system below one root. Blocking: callers are on threads that may block.
pub trait Disk: Send + Sync + 'static {
    /// Makes a file that does not exist yet, open for reading and writing.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a regular file for reading and writing, or only for reading.
    fn open(&self, path: &str, writable: bool) -> io::Result<Box<dyn DiskFile>>;

    /// What is under the path, links not followed. The empty path is the root.
    fn stat(&self, path: &str) -> io::Result<DiskStat>;

    /// Reads a folder.
    fn entries(&self, path: &str) -> io::Result<Box<dyn DiskEntries>>;

    /// Gives a file a second name; fails if `to` exists.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Moves a file, replacing `to`. Does nothing if both names are the same file.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the name of a file.
    fn unlink(&self, path: &str) -> io::Result<()>;

    /// Makes a folder.
    fn make_folder(&self, path: &str) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, path: &str) -> io::Result<()>;

    /// Moves an empty folder; fails if `to` exists.
    fn rename_folder(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the entries of a folder durable.
    fn sync_folder(&self, path: &str) -> io::Result<()>;

    /// Sets modification time and permission bits.
    fn set_attributes(
        &self,
        path: &str,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()>;

    /// Keeps others who ask the same away until what is returned is dropped, however this process
    /// ends. `WouldBlock` if somebody else has it. A disk of one process needs nothing.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send>> {
        let _ = path;
        Ok(Box::new(()))
    }

    /// Size of the file system.
    fn space(&self) -> io::Result<Space>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads until `buffer` is full or the end; returns how much.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Cuts or extends.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;

    /// Makes the bytes durable.
    fn sync_data(&self) -> io::Result<()>;

    /// What it is.
    fn stat(&self) -> io::Result<DiskStat>;

    /// Sets modification time and permission bits.
    fn set_attributes(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()>;
}

/// A folder being read.
pub trait DiskEntries: Send {
    /// The next entry that is a file or a folder.
    fn next(&mut self) -> io::Result<Option<DiskEntry>>;
}

/// One entry of a folder.
#[derive(Clone, Debug)]
pub struct DiskEntry {
    /// Its name; entries whose names are not UTF-8 are left out.
    pub name: String,
    /// What it is.
    pub stat: DiskStat,
}

/// What a path or an open file is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskStat {
    /// File, folder, or something we never touch.
    pub kind: FileKind,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Modification time.
    pub modified: Timestamp,
    /// Permission bits.
    pub mode: u32,
    /// The same for two names of one file, and for no two files at a time.
    pub identity: String,
}

/// Kinds of directory entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, device, socket or pipe: never shown, never opened.
    Other,
}
