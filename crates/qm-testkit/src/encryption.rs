//! Encryption keys in memory: they rotate, are disabled and destroyed as a test asks.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;

use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::encryption::{DataKey, EncryptionKeys, Envelope};
use qm_core::{Error, Kind, Result};

/// Encryption keys of any name; each begins with its first generation, enabled. What it wraps, it
/// keeps: an envelope only says where.
#[derive(Default)]
pub struct MemoryEncryptionKeys {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: BTreeMap<EncryptionKeyName, Key>,
    wrapped: Vec<Wrapped>,
    opened: usize,
}

struct Key {
    generation: u32,
    condition: Condition,
}

struct Wrapped {
    bytes: [u8; 32],
    version: VersionId,
    encryption_key: EncryptionKeyName,
    generation: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Condition {
    Enabled,
    Disabled,
    Destroyed,
}

impl MemoryEncryptionKeys {
    /// What is sealed from now on is sealed by a new generation.
    pub fn rotate(&self, name: &EncryptionKeyName) {
        self.state.lock().key(name).generation += 1;
    }

    /// Nothing is sealed or opened until it is enabled again.
    pub fn disable(&self, name: &EncryptionKeyName) {
        self.state.lock().key(name).condition = Condition::Disabled;
    }

    /// The end of [`MemoryEncryptionKeys::disable`].
    pub fn enable(&self, name: &EncryptionKeyName) {
        self.state.lock().key(name).condition = Condition::Enabled;
    }

    /// What it sealed cannot be opened any more.
    pub fn destroy(&self, name: &EncryptionKeyName) {
        let mut state = self.state.lock();
        state.key(name).condition = Condition::Destroyed;
        state.wrapped.iter_mut().for_each(|wrapped| {
            if wrapped.encryption_key == *name {
                wrapped.bytes = [0; 32];
            }
        });
    }

    /// How many envelopes were opened so far.
    pub fn opened(&self) -> usize {
        self.state.lock().opened
    }
}

impl State {
    fn key(&mut self, name: &EncryptionKeyName) -> &mut Key {
        self.keys.entry(name.clone()).or_insert(Key {
            generation: 1,
            condition: Condition::Enabled,
        })
    }

    fn usable(&mut self, name: &EncryptionKeyName) -> Result<u32> {
        let key = self.key(name);
        let condition = match key.condition {
            Condition::Enabled => return Ok(key.generation),
            Condition::Disabled => "disabled",
            Condition::Destroyed => "destroyed",
        };
        Err(Error::new(
            Kind::Unavailable,
            format!("the encryption key `{name}` is {condition}: what it sealed cannot be read"),
        ))
    }

    fn wrap(&mut self, wrapped: Wrapped) -> Envelope {
        let envelope = Envelope {
            version: wrapped.version,
            encryption_key: wrapped.encryption_key.clone(),
            generation: wrapped.generation,
            data_key: (self.wrapped.len() as u64).to_be_bytes().to_vec(),
            wrapping: Vec::new(),
        };
        self.wrapped.push(wrapped);
        envelope
    }

    fn unwrap(&mut self, envelope: &Envelope) -> Result<[u8; 32]> {
        self.usable(&envelope.encryption_key)?;
        envelope
            .data_key
            .first_chunk()
            .and_then(|number| usize::try_from(u64::from_be_bytes(*number)).ok())
            .and_then(|number| self.wrapped.get(number))
            .filter(|wrapped| {
                wrapped.version == envelope.version
                    && wrapped.encryption_key == envelope.encryption_key
                    && wrapped.generation == envelope.generation
            })
            .map(|wrapped| wrapped.bytes)
            .ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "the envelope stored with these bytes was changed",
                )
            })
    }
}

#[async_trait]
impl EncryptionKeys for MemoryEncryptionKeys {
    async fn seal(
        &self,
        encryption_key: &EncryptionKeyName,
        version: VersionId,
    ) -> Result<(DataKey, Envelope)> {
        let mut state = self.state.lock();
        let generation = state.usable(encryption_key)?;
        let mut bytes = [0x5a; 32];
        bytes[..8].copy_from_slice(&(state.wrapped.len() as u64).to_be_bytes());
        let envelope = state.wrap(Wrapped {
            bytes,
            version,
            encryption_key: encryption_key.clone(),
            generation,
        });
        Ok((DataKey::new(bytes), envelope))
    }

    async fn open(&self, envelope: &Envelope) -> Result<DataKey> {
        let mut state = self.state.lock();
        let bytes = state.unwrap(envelope)?;
        state.opened += 1;
        Ok(DataKey::new(bytes))
    }

    async fn rewrap(&self, envelope: &Envelope) -> Result<Option<Envelope>> {
        let mut state = self.state.lock();
        let bytes = state.unwrap(envelope)?;
        let generation = state.usable(&envelope.encryption_key)?;
        Ok((generation != envelope.generation).then(|| {
            state.wrap(Wrapped {
                bytes,
                version: envelope.version,
                encryption_key: envelope.encryption_key.clone(),
                generation,
            })
        }))
    }
}
