//! A bucket of which the engine sees what it needs: versions to open, folders to list, bytes to
//! discard.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, Entry, EntryKind, FolderChange, Listing, Parked, Space, Staged,
    Staging,
};
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};
use qm_testkit::outside::MemoryContent;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Shelf(Mutex<State>);

#[derive(Default)]
struct State {
    names: BTreeMap<ObjectKey, u64>,
    versions: BTreeMap<VersionId, Vec<u8>>,
    moving: BTreeSet<VersionId>,
    discarded: Vec<StagedToken>,
    released: Vec<(VersionId, ObjectKey)>,
    stuck: BTreeSet<ObjectKey>,
    down: Option<Kind>,
}

impl Shelf {
    pub(crate) fn put(&self, key: &ObjectKey, version: VersionId, bytes: &[u8]) {
        let mut state = self.0.lock();
        state.names.insert(key.clone(), bytes.len() as u64);
        state.versions.insert(version, bytes.to_vec());
    }

    pub(crate) fn lose(&self, version: VersionId) {
        self.0.lock().versions.remove(&version);
    }

    /// Whoever opens it next finds it gone when it is read.
    pub(crate) fn move_while_read(&self, version: VersionId) {
        self.0.lock().moving.insert(version);
    }

    pub(crate) fn set_down(&self, kind: Option<Kind>) {
        self.0.lock().down = kind;
    }

    pub(crate) fn discarded(&self) -> Vec<StagedToken> {
        self.0.lock().discarded.clone()
    }

    pub(crate) fn released(&self) -> Vec<(VersionId, ObjectKey)> {
        self.0.lock().released.clone()
    }

    /// What was kept under this key is not released, until it is again called with false.
    pub(crate) fn set_stuck(&self, key: &ObjectKey, is_stuck: bool) {
        let mut state = self.0.lock();
        state.stuck.remove(key);
        if is_stuck {
            state.stuck.insert(key.clone());
        }
    }

    fn check(&self) -> Result<()> {
        match self.0.lock().down {
            Some(kind) => Err(Error::new(kind, "the disk says no")),
            None => Ok(()),
        }
    }
}

/// The name that it was opened under shows something else by now.
struct MovedContent(MemoryContent);

#[async_trait]
impl Content for MovedContent {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, _offset: u64, _length: u32) -> Result<Bytes> {
        Err(Error::new(Kind::NotFound, "no such key"))
    }
}

struct Page(Option<Vec<Entry>>);

#[async_trait]
impl Listing for Page {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        Ok(self.0.take())
    }
}

fn entry(name: &str, kind: EntryKind, size_bytes: u64) -> Entry {
    Entry {
        name: name.to_owned(),
        kind,
        size_bytes,
        is_sealed: false,
        modified: Timestamp::UNIX_EPOCH,
        mode: 0o644,
    }
}

/// The engine has no business with the rest of the port.
fn not_the_engines<T>() -> Result<T> {
    panic!("the engine called a part of the bucket that is intake's")
}

#[async_trait]
impl Bucket for Shelf {
    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        self.check()?;
        let state = self.0.lock();
        let mut entries = Vec::new();
        let mut folders = BTreeSet::new();
        for (key, size_bytes) in &state.names {
            match key.relative_to(folder).map(|rest| rest.split_once('/')) {
                Some(Some((below, _))) => {
                    folders.insert(below.to_owned());
                }
                Some(None) => entries.push(entry(key.file_name(), EntryKind::File, *size_bytes)),
                None => {}
            }
        }
        entries.extend(folders.iter().map(|name| entry(name, EntryKind::Folder, 0)));
        if entries.is_empty() {
            return Err(Error::new(Kind::NotFound, "no such folder"));
        }
        Ok(Box::new(Page(Some(entries))))
    }

    async fn open_version(
        &self,
        version: VersionId,
        _key: &ObjectKey,
        _identity: &str,
    ) -> Result<Box<dyn Content>> {
        self.check()?;
        let mut state = self.0.lock();
        let is_moving = state.moving.remove(&version);
        let bytes = state.versions.get(&version);
        let bytes = bytes.ok_or_else(|| Error::new(Kind::NotFound, "no such file"))?;
        let content = MemoryContent::new(bytes.clone());
        Ok(if is_moving {
            Box::new(MovedContent(content))
        } else {
            Box::new(content)
        })
    }

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        self.check()?;
        self.0.lock().discarded.push(token.clone());
        Ok(())
    }

    async fn release(&self, version: VersionId, key: &ObjectKey) -> Result<()> {
        self.check()?;
        let mut state = self.0.lock();
        if state.stuck.contains(key) {
            return Err(Error::new(Kind::Unavailable, "not now"));
        }
        state.released.push((version, key.clone()));
        Ok(())
    }

    async fn stage(&self, _: Staging) -> Result<Box<dyn Staged>> {
        not_the_engines()
    }

    async fn resume(&self, _: Staging, _: &Parked) -> Result<Option<Box<dyn Staged>>> {
        not_the_engines()
    }

    async fn remember(&self, _: &ObjectPath, _: &Version) -> Result<()> {
        not_the_engines()
    }

    async fn run(&self, _: &Operation) -> Result<()> {
        not_the_engines()
    }

    async fn stat(&self, _: &Prefix) -> Result<Option<Entry>> {
        not_the_engines()
    }

    async fn identity(&self, _: &ObjectKey) -> Result<Option<String>> {
        not_the_engines()
    }

    async fn open(&self, _: &ObjectKey) -> Result<Box<dyn Content>> {
        not_the_engines()
    }

    async fn set_attributes(&self, _: &Prefix, _: Attributes) -> Result<()> {
        not_the_engines()
    }

    async fn change_folder(&self, _: FolderChange) -> Result<()> {
        not_the_engines()
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        not_the_engines()
    }

    async fn set_envelope(&self, _: VersionId, _: &ObjectKey, _: &str, _: &Envelope) -> Result<()> {
        not_the_engines()
    }

    async fn space(&self) -> Result<Space> {
        not_the_engines()
    }
}
