//! The folder's files. A change is a list of steps worked out beforehand; each step is atomic and
//! durable, the state is written after new material and before material is wiped, so that a crash
//! between any two leaves the old or the new, and at most files that the state does not name.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

use qm_core::{Error, Kind, Result};

/// More is none of our files.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Read or write by group or others.
const OPEN_TO_OTHERS: u32 = 0o077;
/// What is being written and has no name yet.
const TEMPORARY: &str = "new";

/// One step of a change.
#[derive(Debug)]
pub(crate) enum Step {
    /// Makes a folder, closed to others; `Ok` if it is there.
    MakeFolder(PathBuf),
    /// Writes a file, whole or not at all.
    Write(PathBuf, Content),
    /// Overwrites a file with zeros and removes it; `Ok` if it is not there.
    Wipe(PathBuf),
}

/// A file's content: it may be a key, so it does not print and is wiped when dropped.
pub(crate) struct Content(Zeroizing<Vec<u8>>);

impl Content {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Step {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::MakeFolder(folder) => make_folder(folder),
            Self::Write(path, content) => write(path, &content.0),
            Self::Wipe(path) => wipe(path),
        }
        .map_err(|error| {
            let (Self::MakeFolder(path) | Self::Write(path, _) | Self::Wipe(path)) = self;
            Error::io("change the folder of encryption keys", error).with("path", path.display())
        })
    }
}

/// Held while a change is worked out and made, or while state and material are read together.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Whose lock it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LockFor {
    Change,
    Reading,
}

impl FolderLock {
    /// Waits for whoever changes the folder; that takes milliseconds.
    pub(crate) fn take(path: &Path, purpose: LockFor) -> Result<Self> {
        let take = || -> std::io::Result<File> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            flock(
                &file,
                match purpose {
                    LockFor::Change => FlockOperation::LockExclusive,
                    LockFor::Reading => FlockOperation::LockShared,
                },
            )?;
            Ok(file)
        };
        take().map(|file| Self { _file: file }).map_err(|error| {
            Error::io("lock the folder of encryption keys", error).with("path", path.display())
        })
    }
}

/// Tells whether a file is still the one that was read: every change replaces it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(unreadable(path, error)),
        };
        Ok(Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }))
    }
}

/// A file's content, `None` if there is none. Refuses one that others can read.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    };
    let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
    if metadata.mode() & OPEN_TO_OTHERS != 0 {
        return Err(Error::new(
            Kind::Unavailable,
            "others than the server can read its encryption keys",
        )
        .help(format!("chmod 600 {}", path.display())));
    }
    if metadata.size() > FILE_BYTES_MAX {
        return Err(Error::new(
            Kind::Unavailable,
            "a file in the folder of encryption keys is far too long",
        )
        .with("path", path.display()));
    }
    // Room for all of it at once: growing would leave copies behind.
    let room = usize::try_from(metadata.size() + 1).unwrap_or_default();
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(path, error))?;
    Ok(Some(content))
}

/// The names of what is in a folder; none if it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    sync_parent(folder)
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".");
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    // What a crash left may be open to others or be a link.
    wipe(&temporary)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

fn wipe(path: &Path) -> std::io::Result<()> {
    let length = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => 0,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if length > 0 {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
        file.write_all(&zeros)?;
        file.sync_all()?;
    }
    fs::remove_file(path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

/// Whoever asks for a key hears that it cannot be had now, not that a file is missing.
fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, "the encryption keys cannot be read")
        .during("read the folder of encryption keys")
        .with("path", path.display())
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_the_owner_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("keys/landing");
        Step::MakeFolder(made.clone()).run().unwrap();
        let file = made.join("1.key");
        Step::Write(file.clone(), Content::new(vec![1; 32]))
            .run()
            .unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(&made), mode(&file)], [0o700, 0o600]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let said = read(&file).unwrap_err();
        assert_eq!(said.kind(), Kind::Unavailable);
        assert!(said.remedy().unwrap().starts_with("chmod 600 "));
    }

    #[test]
    fn what_a_crash_left_half_written_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("1.key");
        let half = folder.path().join("1.key.new");
        fs::write(&half, "half").unwrap();
        Step::Write(file.clone(), Content::new(b"whole".to_vec()))
            .run()
            .unwrap();
        assert_eq!(read(&file).unwrap().unwrap().as_slice(), b"whole");
        assert!(!half.exists());
    }

    #[test]
    fn wiping_overwrites_also_under_another_name_and_may_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["1.key", "link"].map(|name| folder.path().join(name));
        Step::Write(file.clone(), Content::new(vec![7; 32]))
            .run()
            .unwrap();
        fs::hard_link(&file, &other).unwrap();
        for _ in 0..2 {
            Step::Wipe(file.clone()).run().unwrap();
            assert!(!file.exists());
        }
        assert_eq!(fs::read(&other).unwrap(), vec![0; 32]);
    }

    #[test]
    fn a_link_is_removed_and_what_it_points_at_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Step::Wipe(link.clone()).run().unwrap();
        assert!(!link.exists());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
