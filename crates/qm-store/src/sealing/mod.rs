//! Sealing: a bucket whose bytes are encrypted before they reach the bucket below, staging and
//! broken-off uploads included, under a data key a version that the customer's encryption key
//! wraps (INV-8). What is not sealed there, because others put it there, stays readable as it is.

mod container;
mod content;
mod digest;
mod parked;
mod rewrap;
mod staged;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use std::sync::Arc;

use container::{Cipher, plain_size, sealed_size};
use content::SealedContent;
use parked::ParkedState;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, DigestBy, Entry, FolderChange, HoldNames, Listing, Parked,
    Rewrapped, Space, Staged, Staging,
};
use qm_core::ports::deposit::Put;
use qm_core::ports::encryption::{EncryptionKeys, Envelope};
use qm_core::ports::ledger::KeptVersion;
use qm_core::ports::look::{Likely, Look};
use qm_core::{Error, Kind, Result};
use staged::SealedStaged;

/// Seals what goes into another bucket and opens what comes out of it.
pub struct SealedBucket {
    inner: Arc<dyn Bucket>,
    keys: Arc<dyn EncryptionKeys>,
    encryption_key: EncryptionKeyName,
}

impl SealedBucket {
    /// Over `inner`, which stores envelopes. New versions are sealed by `encryption_key`; stored
    /// ones are opened by the encryption key that their envelope names.
    pub fn new(
        inner: Arc<dyn Bucket>,
        keys: Arc<dyn EncryptionKeys>,
        encryption_key: EncryptionKeyName,
    ) -> Self {
        Self {
            inner,
            keys,
            encryption_key,
        }
    }

    async fn in_clear(&self, content: Box<dyn Content>) -> Result<Box<dyn Content>> {
        let Some(envelope) = content.envelope() else {
            return Ok(content);
        };
        let cipher = self.cipher(envelope).await?;
        Ok(Box::new(SealedContent::open(content, cipher).await?))
    }

    async fn cipher(&self, envelope: &Envelope) -> Result<Cipher> {
        let data_key = self.keys.open(envelope).await?;
        Cipher::new(&data_key, envelope.version)
    }
}

#[async_trait]
impl Bucket for SealedBucket {
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>> {
        let (data_key, envelope) = self
            .keys
            .seal(&self.encryption_key, staging.version)
            .await?;
        let cipher = Cipher::new(&data_key, staging.version)?;
        let inner = self.inner.stage(below(staging, envelope.clone())).await?;
        Ok(Box::new(SealedStaged::new(inner, cipher, envelope)))
    }

    async fn resume(&self, staging: Staging, parked: &Parked) -> Result<Option<Box<dyn Staged>>> {
        let state =
            ParkedState::read(parked).filter(|state| state.envelope.version == staging.version);
        let Some(state) = state else { return Ok(None) };
        let cipher = self.cipher(&state.envelope).await?;
        let Some(digest) = state.digest(&cipher) else {
            return Ok(None);
        };
        let below = below(staging, state.envelope.clone());
        let Some(inner) = self.inner.resume(below, &state.inner(parked)).await? else {
            return Ok(None);
        };
        let staged = SealedStaged::new(inner, cipher, state.envelope);
        let resumed = staged.resumed(parked.size_bytes, digest).await?;
        Ok(resumed.map(|staged| Box::new(staged) as Box<dyn Staged>))
    }

    async fn remember(&self, path: &ObjectPath, version: &Version) -> Result<()> {
        self.inner.remember(path, version).await
    }

    fn needs_token(&self) -> bool {
        self.inner.needs_token()
    }

    fn keeps_attributes(&self) -> bool {
        self.inner.keeps_attributes()
    }

    async fn run(&self, operation: &Operation) -> Result<()> {
        self.inner.run(operation).await
    }

    async fn run_after(&self, look: &Look, operation: &Operation) -> Result<()> {
        self.inner.run_after(look, operation).await
    }

    async fn put(&self, put: Put<'_>) -> Result<()> {
        self.inner.put(put).await
    }

    async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        self.inner.withdraw(key, identity).await
    }

    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        Ok(self.inner.stat(path).await?.map(shown))
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        self.inner.identity(key).await
    }

    async fn look(&self, key: &ObjectKey, likely: Likely) -> Result<Look> {
        let look = self.inner.look(key, likely).await?;
        Ok(Look {
            entry: look.entry.map(shown),
            ..look
        })
    }

    async fn has_folder(&self, folder: &Prefix) -> Result<bool> {
        self.inner.has_folder(folder).await
    }

    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        Ok(Box::new(SealedListing(self.inner.list(folder).await?)))
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let content = self.inner.open(key).await?;
        self.in_clear(content)
            .await
            .map_err(|error| error.with("key", key.as_str().escape_debug()))
    }

    async fn open_version(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Box<dyn Content>> {
        let content = self.inner.open_version(version, key, identity).await?;
        if let Some(envelope) = content.envelope()
            && envelope.version != version
        {
            return Err(Error::new(
                Kind::Invalid,
                "the stored bytes belong to another version, so nothing of them is given out",
            )
            .during("open sealed bytes")
            .with("version", version)
            .with("found", envelope.version));
        }
        self.in_clear(content)
            .await
            .map_err(|error| error.with("version", version))
    }

    async fn set_attributes(&self, path: &Prefix, attributes: Attributes) -> Result<()> {
        self.inner.set_attributes(path, attributes).await
    }

    async fn change_folder(&self, change: FolderChange) -> Result<()> {
        self.inner.change_folder(change).await
    }

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        self.inner.discard(token).await
    }

    async fn release(&self, version: VersionId, key: &ObjectKey) -> Result<()> {
        self.inner.release(version, key).await
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        self.inner.leftovers().await
    }

    async fn set_envelope(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()> {
        self.inner
            .set_envelope(version, key, identity, envelope)
            .await
    }

    async fn rewrap(&self, kept: &[KeptVersion], names: &dyn HoldNames) -> Result<Rewrapped> {
        rewrap::rewrap(&*self.inner, &*self.keys, kept, names).await
    }

    async fn space(&self) -> Result<Space> {
        self.inner.space().await
    }
}

/// What the bucket below stages.
fn below(staging: Staging, envelope: Envelope) -> Staging {
    Staging {
        size_hint: staging.size_hint.map(sealed_size),
        envelope: Some(envelope),
        digest: DigestBy::Caller,
        ..staging
    }
}

struct SealedListing(Box<dyn Listing>);

#[async_trait]
impl Listing for SealedListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        let entries = self.0.next().await?;
        Ok(entries.map(|entries| entries.into_iter().map(shown).collect()))
    }

    fn take_unnamed(&mut self) -> Vec<String> {
        self.0.take_unnamed()
    }
}

/// An entry with the length that a reader sees. Damaged files are listed, too; opening them tells.
fn shown(entry: Entry) -> Entry {
    if !entry.is_sealed {
        return entry;
    }
    Entry {
        size_bytes: plain_size(entry.size_bytes).unwrap_or_default(),
        is_sealed: false,
        ..entry
    }
}
