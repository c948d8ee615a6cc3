//! A bucket that others write into, with faults on demand.

use async_trait::async_trait;
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
use std::collections::BTreeMap;

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) identity: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) modified: Timestamp,
    pub(crate) is_sealed: bool,
}

#[derive(Default)]
pub(crate) struct Stock {
    files: Mutex<BTreeMap<String, File>>,
    down: Mutex<Vec<String>>,
    opened: Mutex<Vec<String>>,
    /// Happens to a file when it is opened.
    next: Mutex<Option<File>>,
}

impl Stock {
    pub(crate) fn put(&self, key: &str, identity: &str, bytes: &[u8], modified: Timestamp) {
        let file = File {
            identity: identity.to_owned(),
            bytes: bytes.to_vec(),
            modified,
            is_sealed: false,
        };
        self.files.lock().insert(key.to_owned(), file);
    }

    pub(crate) fn seal(&self, key: &str) {
        self.files.lock().get_mut(key).unwrap().is_sealed = true;
    }

    /// The keys cannot be looked at.
    pub(crate) fn set_down(&self, keys: &[&str]) {
        *self.down.lock() = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// The file that is opened next is this one when it has been read.
    pub(crate) fn changes_when_opened(&self, file: File) {
        *self.next.lock() = Some(file);
    }

    /// Which keys were read.
    pub(crate) fn take_opened(&self) -> Vec<String> {
        std::mem::take(&mut *self.opened.lock())
    }

    fn file(&self, key: &str) -> Result<Option<File>> {
        if self.down.lock().iter().any(|down| down == key) {
            return Err(Error::new(Kind::Unavailable, "the store says no"));
        }
        Ok(self.files.lock().get(key).cloned())
    }
}

/// No business of whoever looks for files of others.
fn not_asked_for<T>() -> Result<T> {
    panic!("a watch called a part of the bucket that is not its own")
}

#[async_trait]
impl Bucket for Stock {
    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        let file = self.file(path.as_str())?;
        Ok(file.map(|file| Entry {
            name: path.as_str().rsplit('/').next().unwrap().to_owned(),
            kind: EntryKind::File,
            size_bytes: file.bytes.len() as u64,
            is_sealed: file.is_sealed,
            modified: file.modified,
            mode: 0o644,
        }))
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        Ok(self.file(key.as_str())?.map(|file| file.identity))
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let file = self.file(key.as_str())?;
        let file = file.ok_or_else(|| Error::new(Kind::NotFound, "no such file"))?;
        self.opened.lock().push(key.as_str().to_owned());
        if let Some(next) = self.next.lock().take() {
            self.files.lock().insert(key.as_str().to_owned(), next);
        }
        Ok(Box::new(MemoryContent::new(file.bytes)))
    }

    async fn list(&self, _: &Prefix) -> Result<Box<dyn Listing>> {
        not_asked_for()
    }

    async fn open_version(&self, _: VersionId, _: &ObjectKey, _: &str) -> Result<Box<dyn Content>> {
        not_asked_for()
    }

    async fn discard(&self, _: &StagedToken) -> Result<()> {
        not_asked_for()
    }

    async fn release(&self, _: VersionId, _: &ObjectKey) -> Result<()> {
        not_asked_for()
    }

    async fn stage(&self, _: Staging) -> Result<Box<dyn Staged>> {
        not_asked_for()
    }

    async fn resume(&self, _: Staging, _: &Parked) -> Result<Option<Box<dyn Staged>>> {
        not_asked_for()
    }

    async fn remember(&self, _: &ObjectPath, _: &Version) -> Result<()> {
        not_asked_for()
    }

    async fn run(&self, _: &Operation) -> Result<()> {
        not_asked_for()
    }

    async fn set_attributes(&self, _: &Prefix, _: Attributes) -> Result<()> {
        not_asked_for()
    }

    async fn change_folder(&self, _: FolderChange) -> Result<()> {
        not_asked_for()
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        not_asked_for()
    }

    async fn set_envelope(&self, _: VersionId, _: &ObjectKey, _: &str, _: &Envelope) -> Result<()> {
        not_asked_for()
    }

    async fn space(&self) -> Result<Space> {
        not_asked_for()
    }
}
