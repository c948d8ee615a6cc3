//! A file system in memory that remembers what was synced. After a power cut a name survives if
//! its folder was synced since, otherwise by chance; bytes survive if the file was synced,
//! otherwise any beginning of them. A rename is atomic, but its old name may come back.

use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::random::Random;
use qm_core::ports::bucket::Space;
use qm_store::{Disk, DiskEntries, DiskEntry, DiskFile, DiskStat, FileKind};

type Inode = u64;
/// Called when the power goes.
pub(super) type OnCut = Box<dyn Fn() + Send + Sync>;

#[derive(Clone)]
pub(super) struct ForgetfulDisk(Arc<Mutex<State>>);

struct State {
    now: Tree,
    /// What is on the platter, before `journal`.
    base: Tree,
    journal: Vec<Entry>,
    next_inode: Inode,
    operations_left: Option<u64>,
    on_cut: Option<OnCut>,
}

#[derive(Clone, Default)]
struct Tree {
    /// Full path of a file or folder, the root not included.
    names: BTreeMap<String, Inode>,
    folders: BTreeSet<String>,
    files: BTreeMap<Inode, File>,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    modified: Timestamp,
    mode: u32,
}

struct Entry {
    change: Change,
    is_synced: bool,
    /// For the second half of a rename: it happens only if the first half did.
    follows: Option<usize>,
}

enum Change {
    Link { path: String, inode: Inode },
    Unlink { path: String },
    Folder { path: String },
    RemoveFolder { path: String },
}

impl Change {
    fn path(&self) -> &str {
        match self {
            Self::Link { path, .. }
            | Self::Unlink { path }
            | Self::Folder { path }
            | Self::RemoveFolder { path } => path,
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl ForgetfulDisk {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            now: Tree::default(),
            base: Tree::default(),
            journal: Vec::new(),
            next_inode: 1,
            operations_left: None,
            on_cut: None,
        })))
    }

    /// The power goes when so many more operations were done.
    pub(super) fn cut_after(&self, operations: u64, on_cut: OnCut) {
        let mut state = self.0.lock();
        state.operations_left = Some(operations);
        state.on_cut = Some(on_cut);
    }

    /// The power goes now.
    pub(super) fn cut(&self) {
        self.0.lock().operations_left = Some(0);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.0.lock().operations_left == Some(0)
    }

    /// What the next start finds.
    pub(super) fn after_power_cut(&self, random: &mut Random) -> Self {
        let state = self.0.lock();
        let mut tree = state.base.clone();
        tree.files.clone_from(&state.now.files);
        let mut survived = Vec::with_capacity(state.journal.len());
        for entry in &state.journal {
            let may = entry.follows.is_none_or(|first| survived[first]);
            let survives = may && (entry.is_synced || random.one_in(2));
            survived.push(survives);
            if survives {
                tree.apply(&entry.change);
            }
        }
        for file in tree.files.values_mut() {
            if file.bytes != file.synced {
                let keeps = random.below(file.bytes.len() as u64 + 1);
                let torn = file.bytes[..usize::try_from(keeps).unwrap()].to_vec();
                file.bytes = if random.one_in(2) {
                    file.synced.clone()
                } else {
                    torn
                };
            }
            file.synced.clone_from(&file.bytes);
        }
        Self(Arc::new(Mutex::new(State {
            now: tree.clone(),
            base: tree,
            journal: Vec::new(),
            next_inode: state.next_inode,
            operations_left: None,
            on_cut: None,
        })))
    }

    fn operate<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        match state.operations_left {
            Some(0) => return Err(io::Error::other("the power is gone")),
            Some(1) => {
                state.operations_left = Some(0);
                if let Some(on_cut) = &state.on_cut {
                    on_cut();
                }
                return Err(io::Error::other("the power is gone"));
            }
            Some(left) => state.operations_left = Some(left - 1),
            None => {}
        }
        work(&mut state)
    }
}

impl Tree {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link { path, inode } => {
                self.names.insert(path.clone(), *inode);
            }
            Change::Unlink { path } => {
                self.names.remove(path);
            }
            Change::Folder { path } => {
                self.folders.insert(path.clone());
            }
            Change::RemoveFolder { path } => {
                self.folders.remove(path);
            }
        }
    }

    fn stat(&self, path: &str) -> io::Result<DiskStat> {
        if path.is_empty() || self.folders.contains(path) {
            return Ok(DiskStat {
                kind: FileKind::Folder,
                size_bytes: 0,
                modified: Timestamp::UNIX_EPOCH,
                mode: 0o750,
                identity: format!("folder {path}"),
            });
        }
        self.names
            .get(path)
            .map(|inode| self.stat_inode(*inode))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stat_inode(&self, inode: Inode) -> DiskStat {
        let file = &self.files[&inode];
        DiskStat {
            kind: FileKind::File,
            size_bytes: file.bytes.len() as u64,
            modified: file.modified,
            mode: file.mode,
            identity: format!("inode {inode}"),
        }
    }

    /// What is in a folder, by its full path.
    fn below(&self, folder: &str) -> impl Iterator<Item = &String> {
        let all = self.folders.iter().chain(self.names.keys());
        all.filter(move |name| folder_of(name) == folder)
    }

    fn inode(&self, path: &str) -> io::Result<Inode> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn check_folder(&self, path: &str) -> io::Result<()> {
        let folder = folder_of(path);
        if folder.is_empty() || self.folders.contains(folder) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl State {
    fn change(&mut self, change: Change, follows: Option<usize>) -> usize {
        self.now.apply(&change);
        self.journal.push(Entry {
            change,
            is_synced: false,
            follows,
        });
        self.journal.len() - 1
    }
}

impl Disk for ForgetfulDisk {
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.operate(|state| {
            state.now.check_folder(path)?;
            if state.now.stat(path).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = state.next_inode;
            state.next_inode += 1;
            state.now.files.insert(
                inode,
                File {
                    mode: 0o640,
                    ..File::default()
                },
            );
            state.change(
                Change::Link {
                    path: path.to_owned(),
                    inode,
                },
                None,
            );
            Ok(Box::new(ForgetfulFile {
                disk: self.clone(),
                inode,
            }) as Box<dyn DiskFile>)
        })
    }

    fn open(&self, path: &str, _writable: bool) -> io::Result<Box<dyn DiskFile>> {
        self.operate(|state| {
            let inode = state.now.inode(path)?;
            Ok(Box::new(ForgetfulFile {
                disk: self.clone(),
                inode,
            }) as Box<dyn DiskFile>)
        })
    }

    fn stat(&self, path: &str) -> io::Result<DiskStat> {
        self.operate(|state| state.now.stat(path))
    }

    fn entries(&self, path: &str) -> io::Result<Box<dyn DiskEntries>> {
        self.operate(|state| {
            state.now.stat(path)?;
            let below = state.now.below(path);
            let below: Vec<DiskEntry> = below
                .map(|name| DiskEntry {
                    name: name.rsplit('/').next().unwrap().to_owned(),
                    stat: state.now.stat(name).unwrap(),
                })
                .collect();
            Ok(Box::new(Entries(below)) as Box<dyn DiskEntries>)
        })
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|state| {
            let inode = state.now.inode(from)?;
            state.now.check_folder(to)?;
            if state.now.stat(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.change(
                Change::Link {
                    path: to.to_owned(),
                    inode,
                },
                None,
            );
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|state| {
            let inode = state.now.inode(from)?;
            state.now.check_folder(to)?;
            if state.now.names.get(to) != Some(&inode) {
                let first = state.change(
                    Change::Link {
                        path: to.to_owned(),
                        inode,
                    },
                    None,
                );
                state.change(
                    Change::Unlink {
                        path: from.to_owned(),
                    },
                    Some(first),
                );
            }
            Ok(())
        })
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            state.now.inode(path)?;
            state.change(
                Change::Unlink {
                    path: path.to_owned(),
                },
                None,
            );
            Ok(())
        })
    }

    fn make_folder(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            state.now.check_folder(path)?;
            if state.now.stat(path).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.change(
                Change::Folder {
                    path: path.to_owned(),
                },
                None,
            );
            Ok(())
        })
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            if !state.now.folders.contains(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if state.now.below(path).next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            state.change(
                Change::RemoveFolder {
                    path: path.to_owned(),
                },
                None,
            );
            Ok(())
        })
    }

    fn rename_folder(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.operate(|state| {
            state.now.stat(path)?;
            for entry in &mut state.journal {
                entry.is_synced |= folder_of(entry.change.path()) == path;
            }
            Ok(())
        })
    }

    fn set_attributes(
        &self,
        path: &str,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        let inode = self.operate(|state| state.now.inode(path))?;
        ForgetfulFile {
            disk: self.clone(),
            inode,
        }
        .set_attributes(modified, mode)
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space {
            total_bytes: 1 << 30,
            free_bytes: 1 << 30,
            total_files: 1 << 20,
            free_files: 1 << 20,
        })
    }
}

struct ForgetfulFile {
    disk: ForgetfulDisk,
    inode: Inode,
}

impl ForgetfulFile {
    fn with<T>(&self, work: impl FnOnce(&mut File) -> T) -> io::Result<T> {
        self.disk.operate(|state| {
            Ok(work(
                state
                    .now
                    .files
                    .get_mut(&self.inode)
                    .expect("files are never dropped"),
            ))
        })
    }
}

impl DiskFile for ForgetfulFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(|file| {
            let end = offset + bytes.len();
            if file.bytes.len() < end {
                file.bytes.resize(end, 0);
            }
            file.bytes[offset..end].copy_from_slice(bytes);
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap();
        self.with(|file| {
            let rest = file.bytes.get(offset..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            length
        })
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.with(|file| file.bytes.resize(usize::try_from(size_bytes).unwrap(), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|file| file.synced.clone_from(&file.bytes))
    }

    fn stat(&self) -> io::Result<DiskStat> {
        self.disk
            .operate(|state| Ok(state.now.stat_inode(self.inode)))
    }

    fn set_attributes(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        self.with(|file| {
            file.modified = modified.unwrap_or(file.modified);
            file.mode = mode.unwrap_or(file.mode);
        })
    }
}

struct Entries(Vec<DiskEntry>);

impl DiskEntries for Entries {
    fn next(&mut self) -> io::Result<Option<DiskEntry>> {
        Ok(self.0.pop())
    }
}
