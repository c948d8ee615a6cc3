//! Encryption keys: what wraps the data keys that seal stored bytes.
//!
//! - [`EncryptionKeyStore`] is the port of the running node.
//! - [`EncryptionKeyFolder`] is where material lies that no cloud holds; operators' commands change
//!   it beside the node, and the node sees it at the next use.
//! - An import takes material from its owner, wrapped.
//! - A key of AWS KMS wraps an intermediate key, which wraps data keys until its time is over.
//!
//! Material is in clear in memory where it is used, and in its file; never in a log, an error or an
//! audit record (INV-7).

mod files;
mod folder;
mod import;
mod kms;
mod local;
mod material;
mod state;
mod wrap;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use folder::EncryptionKeyFolder;
pub use import::{ImportOffer, WrappedMaterial, WrappingAlgorithm};
use kms::KmsKey;
use local::LocalKeys;
pub use material::CheckValue;
pub use state::{
    Generation, GenerationState, ImportPurpose, KeyState, LocalProvider, PendingImport, StateChange,
};
use wrap::Binding;

use qm_core::config::EncryptionKey;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::clock::Clock;
use qm_core::ports::encryption::{DataKey, EncryptionKeys, Envelope};
use qm_core::{Error, Kind, Result};

/// The encryption keys of the running revision.
pub struct EncryptionKeyStore {
    clock: Arc<dyn Clock>,
    local: LocalKeys,
    keys: RwLock<BTreeMap<EncryptionKeyName, Provider>>,
}

#[derive(Clone)]
enum Provider {
    Local(LocalProvider),
    Kms(Arc<KmsKey>),
}

impl EncryptionKeyStore {
    /// Keys that no cloud holds lie in `folder`. There are none until [`Self::update`].
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            local: LocalKeys::new(EncryptionKeyFolder::new(folder)),
            keys: RwLock::default(),
        }
    }

    /// From now on there are these keys and no others.
    pub fn update(&self, configured: &BTreeMap<EncryptionKeyName, EncryptionKey>) {
        let mut keys = self.keys.write();
        let updated = configured
            .iter()
            .map(|(name, key)| {
                let provider = match key {
                    EncryptionKey::File => Provider::Local(LocalProvider::File),
                    EncryptionKey::Imported => Provider::Local(LocalProvider::Imported),
                    EncryptionKey::AwsKms {
                        key_id,
                        access,
                        cache,
                    } => match keys.get(name) {
                        // What it has cached stays good.
                        Some(Provider::Kms(known)) if known.is(key_id, access, *cache) => {
                            Provider::Kms(Arc::clone(known))
                        }
                        Some(Provider::Kms(_) | Provider::Local(_)) | None => {
                            let clock = Arc::clone(&self.clock);
                            let (name, access) = (name.clone(), access.clone());
                            let key = KmsKey::new(name, key_id.clone(), access, *cache, clock);
                            Provider::Kms(Arc::new(key))
                        }
                    },
                };
                (name.clone(), provider)
            })
            .collect();
        *keys = updated;
    }

    /// Makes the keys that are made here and do not exist yet; says which. Whoever starts a node
    /// with a new key must be told to back it up.
    pub fn create_missing(&self) -> Result<Vec<EncryptionKeyName>> {
        let folder = self.local.folder();
        let mut made = Vec::new();
        for (name, provider) in self.keys.read().iter() {
            let is_missing = matches!(provider, Provider::Local(LocalProvider::File))
                && folder.state(name)?.is_none();
            if is_missing {
                folder.create(name, self.clock.now())?;
                made.push(name.clone());
            }
        }
        Ok(made)
    }

    /// What time demands though nobody uses a key: expired material and wrapping keys are removed
    /// from disk, and what may not be used any more from memory.
    pub fn tend(&self) -> Result<()> {
        let now = self.clock.now();
        for provider in self.keys.read().values() {
            if let Provider::Kms(key) = provider {
                key.forget_expired();
            }
        }
        self.local.forget_changed(now)?;
        self.local.folder().tend(now)
    }

    fn provider(&self, name: &EncryptionKeyName) -> Result<Provider> {
        self.keys.read().get(name).cloned().ok_or_else(|| {
            // An envelope's name comes from where the bytes are stored.
            let name = name.as_str().escape_debug();
            Error::new(
                Kind::Unavailable,
                format!("encryption key `{name}` is not in the configuration"),
            )
            .help(format!("add [encryption_key.{name}] again"))
        })
    }

    /// Wraps a data key under the newest generation.
    async fn wrap(
        &self,
        name: &EncryptionKeyName,
        version: VersionId,
        key: &DataKey,
    ) -> Result<Envelope> {
        let local = match self.provider(name)? {
            Provider::Local(local) => local,
            Provider::Kms(kms) => return kms.wrap(version, key).await,
        };
        let (generation, material) = self.local.material(name, local, None, self.clock.now())?;
        let binding = Binding {
            version,
            encryption_key: name,
            generation,
        };
        Ok(Envelope {
            version,
            encryption_key: name.clone(),
            generation,
            data_key: wrap::wrap(&material, binding, key)?,
            wrapping: Vec::new(),
        })
    }
}

#[async_trait]
impl EncryptionKeys for EncryptionKeyStore {
    async fn seal(
        &self,
        encryption_key: &EncryptionKeyName,
        version: VersionId,
    ) -> Result<(DataKey, Envelope)> {
        let key = DataKey::new(*material::Material::generate()?.reveal());
        let envelope = self.wrap(encryption_key, version, &key).await?;
        Ok((key, envelope))
    }

    async fn open(&self, envelope: &Envelope) -> Result<DataKey> {
        let name = &envelope.encryption_key;
        let local = match self.provider(name)? {
            Provider::Local(local) => local,
            Provider::Kms(kms) => return kms.open(envelope).await,
        };
        if !envelope.wrapping.is_empty() {
            return Err(wrap::changed());
        }
        let generation = Some(envelope.generation);
        let (_, material) = self
            .local
            .material(name, local, generation, self.clock.now())?;
        wrap::unwrap(&material, Binding::of(envelope), &envelope.data_key)
    }

    async fn rewrap(&self, envelope: &Envelope) -> Result<Option<Envelope>> {
        let name = &envelope.encryption_key;
        let is_newest = match self.provider(name)? {
            Provider::Local(local) => {
                let (newest, _) = self.local.material(name, local, None, self.clock.now())?;
                newest == envelope.generation
            }
            Provider::Kms(kms) => kms.is_newest(envelope).await?,
        };
        if is_newest {
            return Ok(None);
        }
        let key = self.open(envelope).await?;
        self.wrap(name, envelope.version, &key).await.map(Some)
    }
}
