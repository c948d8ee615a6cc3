//! A mailbox in memory that records what is asked of it and fails on demand.

pub(crate) mod access;
mod upload;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::id::VersionId;
use qm_core::name::MailboxPath;
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::{Attributes, Content, Entry, EntryKind, Listing, Space};
use qm_core::ports::clock::Clock;
use qm_core::ports::encryption::Envelope;
use qm_core::ports::mailbox::{
    Existing, Mailbox, Mailboxes, Upload, VersionEntry, VersionState, WriteOptions,
};
use qm_core::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Entries in one batch of a listing.
pub(crate) const LISTING_BATCH: usize = 256;

/// A file as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) modified: Timestamp,
    pub(crate) mode: u32,
}

/// The one mailbox, seen by every account.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) state: Mutex<State>,
    /// Rung after every change that a test may wait for.
    pub(crate) bell: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) folders: BTreeSet<String>,
    /// Names of uploads that were abandoned, with what was received.
    pub(crate) abandoned: Vec<(String, usize)>,
    /// How many chunks each `Upload::write` had.
    pub(crate) writes: Vec<usize>,
    /// Offset and length of each `Content::read`.
    pub(crate) reads: Vec<(u64, u32)>,
    /// Batches that listings gave out.
    pub(crate) listed: usize,
    pub(crate) open_uploads: usize,
    /// Whether each upload was opened for reading as well.
    pub(crate) read_as_well: Vec<bool>,
    pub(crate) flushes: usize,
    pub(crate) fails_commit: bool,
    /// Writes that reach beyond this offset fail.
    pub(crate) full_at: Option<u64>,
    pub(crate) panics_on_stat: bool,
    /// Reads give at most so many bytes, mostly fewer; 0 for no limit.
    pub(crate) short_reads: u32,
    /// Files opened for reading say that they are so much longer than they are.
    pub(crate) claims_more: u64,
    pub(crate) versions: Vec<VersionEntry>,
    /// What was brought back.
    pub(crate) restored: Vec<(String, VersionId)>,
}

pub(crate) fn epoch() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn file(bytes: Vec<u8>) -> File {
    File {
        bytes,
        modified: epoch(),
        mode: 0o644,
    }
}

fn missing() -> Error {
    Error::new(Kind::NotFound, "no such file or folder")
}

impl Fake {
    pub(crate) fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.state
            .lock()
            .files
            .insert(name.to_owned(), file(bytes.into()));
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state.lock().files.get(name).map(|f| f.bytes.clone())
    }

    fn entry(&self, path: &str) -> Option<Entry> {
        let state = self.state.lock();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(file) = state.files.get(path) {
            return Some(Entry {
                name,
                kind: EntryKind::File,
                size_bytes: file.bytes.len() as u64,
                is_sealed: false,
                modified: file.modified,
                mode: file.mode,
            });
        }
        (path.is_empty() || state.folders.contains(path)).then(|| Entry {
            name,
            kind: EntryKind::Folder,
            size_bytes: 0,
            is_sealed: false,
            modified: epoch(),
            mode: 0o755,
        })
    }
}

impl Clock for Fake {
    fn now(&self) -> Timestamp {
        epoch()
    }
}

/// Opens the fake for anybody.
pub(crate) struct Open(pub(crate) Arc<Fake>);

#[async_trait]
impl Mailboxes for Open {
    async fn open(&self, _: &Principal, _: IpAddr) -> Result<Arc<dyn Mailbox>> {
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }

    async fn open_operator(&self, _: &str) -> Result<Arc<dyn Mailbox>> {
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Mailbox for Open {
    async fn stat(&self, path: &MailboxPath) -> Result<Entry> {
        assert!(!self.0.state.lock().panics_on_stat, "as the test wants it");
        self.0.entry(path.as_str()).ok_or_else(missing)
    }

    async fn list(&self, path: &MailboxPath) -> Result<Box<dyn Listing>> {
        let folder = self.stat(path).await?;
        if folder.kind != EntryKind::Folder {
            return Err(Error::new(Kind::NotFound, "that name is not a folder"));
        }
        let prefix = match path.as_str() {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let names: Vec<String> = {
            let state = self.0.state.lock();
            let all = state.files.keys().chain(state.folders.iter());
            all.filter(|name| {
                name.strip_prefix(&prefix)
                    .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            })
            .cloned()
            .collect()
        };
        Ok(Box::new(FakeListing {
            fake: Arc::clone(&self.0),
            names,
        }))
    }

    async fn read(&self, path: &MailboxPath) -> Result<Box<dyn Content>> {
        let bytes = self.0.bytes(path.as_str()).ok_or_else(missing)?;
        Ok(Box::new(FakeContent {
            fake: Arc::clone(&self.0),
            bytes: bytes.into(),
        }))
    }

    async fn write(&self, path: &MailboxPath, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let existing = self.0.bytes(path.as_str());
        if options.exclusive && existing.is_some() {
            return Err(Error::new(Kind::AlreadyExists, "that name is taken"));
        }
        if !options.create && existing.is_none() {
            return Err(missing());
        }
        if path
            .as_str()
            .rsplit('.')
            .next()
            .is_some_and(|extension| extension == "exe")
        {
            return Err(Error::new(
                Kind::Refused,
                "this kind of file is not accepted here",
            ));
        }
        {
            let mut state = self.0.state.lock();
            state.open_uploads += 1;
            state.read_as_well.push(options.read);
        }
        self.0.bell.notify_waiters();
        Ok(Box::new(upload::FakeUpload::new(
            Arc::clone(&self.0),
            path.as_str(),
            existing,
            options,
        )))
    }

    async fn set_attributes(&self, path: &MailboxPath, attributes: Attributes) -> Result<()> {
        let mut state = self.0.state.lock();
        let file = state.files.get_mut(path.as_str()).ok_or_else(missing)?;
        apply(file, attributes);
        Ok(())
    }

    async fn remove(&self, path: &MailboxPath) -> Result<()> {
        let removed = self.0.state.lock().files.remove(path.as_str());
        removed.map(|_| ()).ok_or_else(missing)
    }

    async fn rename(&self, from: &MailboxPath, to: &MailboxPath, existing: Existing) -> Result<()> {
        let mut state = self.0.state.lock();
        if existing == Existing::Refuse && state.files.contains_key(to.as_str()) {
            return Err(Error::new(Kind::AlreadyExists, "that name is taken"));
        }
        let file = state.files.remove(from.as_str()).ok_or_else(missing)?;
        state.files.insert(to.as_str().to_owned(), file);
        Ok(())
    }

    async fn make_folder(&self, path: &MailboxPath) -> Result<()> {
        if self.0.entry(path.as_str()).is_some() {
            return Err(Error::new(Kind::AlreadyExists, "that name is taken"));
        }
        self.0.state.lock().folders.insert(path.as_str().to_owned());
        Ok(())
    }

    async fn remove_folder(&self, path: &MailboxPath) -> Result<()> {
        let removed = self.0.state.lock().folders.remove(path.as_str());
        removed.then_some(()).ok_or_else(missing)
    }

    async fn space(&self) -> Result<Space> {
        Ok(Space {
            total_bytes: 8192 * 4096,
            free_bytes: 4096 * 4096,
            total_files: 1000,
            free_files: 900,
        })
    }

    async fn versions(&self, path: &MailboxPath) -> Result<Vec<VersionEntry>> {
        self.0.entry(path.as_str()).ok_or_else(missing)?;
        Ok(self.0.state.lock().versions.clone())
    }

    async fn restore(&self, path: &MailboxPath, version: VersionId) -> Result<()> {
        let mut state = self.0.state.lock();
        let kept = state.versions.iter().find(|entry| entry.id == version);
        match kept.map(|entry| entry.state) {
            Some(VersionState::Kept { .. }) => {
                state.restored.push((path.to_string(), version));
                Ok(())
            }
            Some(VersionState::Current) => Err(Error::new(Kind::Conflict, "it is current")),
            None => Err(missing()),
        }
    }
}

fn apply(file: &mut File, attributes: Attributes) {
    file.modified = attributes.modified.unwrap_or(file.modified);
    file.mode = attributes.mode.unwrap_or(file.mode);
}

struct FakeListing {
    fake: Arc<Fake>,
    names: Vec<String>,
}

#[async_trait]
impl Listing for FakeListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.names.is_empty() {
            return Ok(None);
        }
        self.fake.state.lock().listed += 1;
        let batch = self.names.drain(..self.names.len().min(LISTING_BATCH));
        Ok(Some(
            batch.filter_map(|name| self.fake.entry(&name)).collect(),
        ))
    }
}

struct FakeContent {
    fake: Arc<Fake>,
    bytes: Bytes,
}

#[async_trait]
impl Content for FakeContent {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64 + self.fake.state.lock().claims_more
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let most = {
            let mut state = self.fake.state.lock();
            state.reads.push((offset, length));
            state.short_reads
        };
        let given = match most {
            0 => length,
            // Scattered, and the same in every run.
            most => {
                let scattered = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                length.min(1 + u32::try_from(scattered).unwrap() % most)
            }
        };
        Ok(slice(&self.bytes, offset, given))
    }
}

fn slice(bytes: &Bytes, offset: u64, length: u32) -> Bytes {
    let from = bytes
        .len()
        .min(usize::try_from(offset).unwrap_or(usize::MAX));
    bytes.slice(from..bytes.len().min(from + length as usize))
}
