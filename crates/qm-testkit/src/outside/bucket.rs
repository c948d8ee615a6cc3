//! A bucket in memory that takes deposits.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use qm_core::id::{BucketName, Sha256Digest, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Buckets, Chunk, Content, Entry, FolderChange, Listing, Parked, Sealed,
    Space, Staged, Staging,
};
use qm_core::ports::deposit::Put;
use qm_core::ports::encryption::Envelope;
use qm_core::ports::ledger::KeptVersion;
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::MemoryContent;

/// Objects that deliveries put there. What only uploads ask of a bucket is not offered.
#[derive(Debug, Default)]
pub struct MemoryBucket {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    staged: BTreeMap<String, BytesMut>,
    objects: BTreeMap<String, (String, Bytes)>,
    puts: u32,
    down: Option<Kind>,
}

impl MemoryBucket {
    /// The bytes under a key.
    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        let state = self.state.lock();
        state.objects.get(key).map(|(_, bytes)| bytes.clone())
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().objects.keys().cloned().collect()
    }

    /// How often an object was put.
    pub fn puts(&self) -> u32 {
        self.state.lock().puts
    }

    /// How many are staged and neither published nor discarded.
    pub fn staged(&self) -> usize {
        self.state.lock().staged.len()
    }

    /// Every call fails with this kind until `None` is set.
    pub fn set_down(&self, kind: Option<Kind>) {
        self.state.lock().down = kind;
    }

    fn up(&self) -> Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.state.lock();
        match state.down {
            None => Ok(state),
            Some(kind) => Err(Error::new(kind, "the bucket says no")),
        }
    }
}

/// One bucket, whatever its name.
#[derive(Clone, Debug, Default)]
pub struct OneBucket(pub Arc<MemoryBucket>);

impl Buckets for OneBucket {
    fn get(&self, _name: &BucketName) -> Option<Arc<dyn Bucket>> {
        Some(Arc::clone(&self.0) as Arc<dyn Bucket>)
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>> {
        let token = staging.version.to_string();
        self.up()?.staged.insert(token.clone(), BytesMut::new());
        Ok(Box::new(MemoryStaged {
            version: staging.version,
            token,
            state: Arc::clone(&self.state),
        }))
    }

    async fn put(&self, put: Put<'_>) -> Result<()> {
        let mut state = self.up()?;
        let key = put.key.as_str();
        let there = state
            .objects
            .get(key)
            .map(|(identity, _)| identity.as_str());
        if there == Some(put.version.identity.as_str()) {
            return Ok(());
        }
        if there != put.replaces {
            return Err(Error::new(Kind::Conflict, "the name shows something else"));
        }
        let token = put.version.staged.as_ref().map(|token| token.0.as_str());
        let staged = token.and_then(|token| state.staged.remove(token));
        let bytes = staged.ok_or_else(|| Error::new(Kind::NotFound, "nothing is staged"))?;
        let object = (put.version.identity.clone(), bytes.freeze());
        state.objects.insert(key.to_owned(), object);
        state.puts += 1;
        Ok(())
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        let state = self.up()?;
        let found = state.objects.get(key.as_str());
        Ok(found.map(|(identity, _)| identity.clone()))
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let state = self.up()?;
        let (_, bytes) = state
            .objects
            .get(key.as_str())
            .ok_or_else(|| Error::new(Kind::NotFound, "there is no such object"))?;
        Ok(Box::new(MemoryContent::new(bytes.clone())))
    }

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        self.up()?.staged.remove(&token.0);
        Ok(())
    }

    async fn resume(&self, _: Staging, _: &Parked) -> Result<Option<Box<dyn Staged>>> {
        not_offered()
    }

    async fn remember(&self, _: &ObjectPath, _: &Version) -> Result<()> {
        not_offered()
    }

    async fn run(&self, _: &Operation) -> Result<()> {
        not_offered()
    }

    async fn stat(&self, _: &Prefix) -> Result<Option<Entry>> {
        not_offered()
    }

    async fn list(&self, _: &Prefix) -> Result<Box<dyn Listing>> {
        not_offered()
    }

    async fn open_version(&self, _: VersionId, _: &ObjectKey, _: &str) -> Result<Box<dyn Content>> {
        not_offered()
    }

    async fn set_attributes(&self, _: &Prefix, _: Attributes) -> Result<()> {
        not_offered()
    }

    async fn change_folder(&self, _: FolderChange) -> Result<()> {
        not_offered()
    }

    async fn release(&self, _: VersionId, _: &ObjectKey) -> Result<()> {
        not_offered()
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        not_offered()
    }

    async fn set_envelope(&self, _: VersionId, _: &ObjectKey, _: &str, _: &Envelope) -> Result<()> {
        not_offered()
    }

    async fn rewrap(
        &self,
        _: &[KeptVersion],
        _: &dyn qm_core::ports::bucket::HoldNames,
    ) -> Result<qm_core::ports::bucket::Rewrapped> {
        not_offered()
    }

    async fn space(&self) -> Result<Space> {
        not_offered()
    }
}

struct MemoryStaged {
    version: VersionId,
    token: String,
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl Staged for MemoryStaged {
    fn version(&self) -> VersionId {
        self.version
    }

    fn token(&self) -> Option<StagedToken> {
        Some(StagedToken(self.token.clone()))
    }

    fn size_bytes(&self) -> u64 {
        let state = self.state.lock();
        state
            .staged
            .get(&self.token)
            .map_or(0, |bytes| bytes.len() as u64)
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        let mut state = self.state.lock();
        let staged = state.staged.entry(self.token.clone()).or_default();
        for chunk in chunks {
            if chunk.offset != staged.len() as u64 {
                return Err(Error::new(
                    Kind::Unsupported,
                    "bytes come in their order here",
                ));
            }
            staged.extend_from_slice(&chunk.bytes);
        }
        Ok(())
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        let bytes = {
            let state = self.state.lock();
            let staged = state.staged.get(&self.token);
            staged.map(|bytes| bytes.clone().freeze())
        };
        MemoryContent::new(bytes.unwrap_or_default())
            .read(offset, length)
            .await
    }

    async fn set_size(&mut self, _: u64) -> Result<()> {
        not_offered()
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        not_offered()
    }

    async fn seal(&mut self) -> Result<Sealed> {
        Ok(Sealed {
            size_bytes: self.size_bytes(),
            // Nobody compares it: deposits are told from each other by their identity.
            sha256: Sha256Digest([0; 32]),
            identity: self.token.clone(),
        })
    }

    async fn set_attributes(&mut self, _: Attributes) -> Result<()> {
        Ok(())
    }
}

fn not_offered<T>() -> Result<T> {
    Err(Error::new(Kind::Unsupported, "not offered in memory"))
}
