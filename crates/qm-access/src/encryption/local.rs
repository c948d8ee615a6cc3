//! Material for the running node. Before each use it looks whether the key's state is still the one
//! it read, so that what an operator's command changes works at once; a look is one `stat`.

use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::files::{LockFor, Stamp};
use super::folder::EncryptionKeyFolder;
use super::material::Material;
use super::state::{Generation, KeyState, LocalProvider};
use qm_core::id::EncryptionKeyName;
use qm_core::{Error, Kind, Result};

#[derive(Debug)]
pub(super) struct LocalKeys {
    folder: EncryptionKeyFolder,
    read: Mutex<HashMap<EncryptionKeyName, Read>>,
}

/// A key as it was read.
#[derive(Debug)]
struct Read {
    stamp: Stamp,
    state: KeyState,
    material: BTreeMap<u32, Arc<Material>>,
}

impl LocalKeys {
    pub(super) fn new(folder: EncryptionKeyFolder) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    pub(super) fn folder(&self) -> &EncryptionKeyFolder {
        &self.folder
    }

    /// The material of a generation, of the newest if none is named, with its number.
    pub(super) fn material(
        &self,
        name: &EncryptionKeyName,
        provider: LocalProvider,
        generation: Option<u32>,
        now: Timestamp,
    ) -> Result<(u32, Arc<Material>)> {
        let mut read = self.read.lock();
        let Some(stamp) = Stamp::of(&self.folder.state_file(name))? else {
            read.remove(name);
            return Err(absent(name));
        };
        if let Some(key) = read.get_mut(name).filter(|key| key.stamp == stamp) {
            let number = key.usable(name, provider, generation, now)?.number;
            if let Some(material) = key.material.get(&number) {
                return Ok((number, Arc::clone(material)));
            }
        }
        // While nobody changes the folder, state and material belong together.
        let _lock = self.folder.lock(LockFor::Reading)?;
        let before = read.remove(name);
        let key = read.entry(name.clone()).or_insert(self.read(name, before)?);
        let usable = key.usable(name, provider, generation, now)?;
        let number = usable.number;
        let material = Arc::new(self.folder.material(name, &usable)?);
        key.material.insert(number, Arc::clone(&material));
        Ok((number, material))
    }

    /// Forgets material that may not be used any more, without waiting for a use.
    pub(super) fn forget_changed(&self, now: Timestamp) -> Result<()> {
        for (name, key) in self.read.lock().iter_mut() {
            let is_same = Stamp::of(&self.folder.state_file(name))? == Some(key.stamp);
            let state = &key.state;
            let may_stay = |number| is_same && state.usable(name, Some(number), now).is_ok();
            key.material.retain(|number, _| may_stay(*number));
        }
        Ok(())
    }

    fn read(&self, name: &EncryptionKeyName, before: Option<Read>) -> Result<Read> {
        let stamp = Stamp::of(&self.folder.state_file(name))?.ok_or_else(|| absent(name))?;
        let state = self.folder.state(name)?.ok_or_else(|| absent(name))?;
        let material = before
            .filter(|before| before.stamp == stamp)
            .map(|before| before.material);
        Ok(Read {
            stamp,
            state,
            material: material.unwrap_or_default(),
        })
    }
}

impl Read {
    /// The generation, if it can be used; material of those that cannot is forgotten.
    fn usable(
        &mut self,
        name: &EncryptionKeyName,
        provider: LocalProvider,
        generation: Option<u32>,
        now: Timestamp,
    ) -> Result<Generation> {
        let state = &self.state;
        self.material
            .retain(|number, _| state.usable(name, Some(*number), now).is_ok());
        if state.provider != provider {
            return Err(other_provider(name, provider, state.provider));
        }
        state.usable(name, generation, now).cloned()
    }
}

fn absent(name: &EncryptionKeyName) -> Error {
    Error::new(
        Kind::Unavailable,
        format!("encryption key `{name}` has no material here"),
    )
    .help(format!(
        "make it with `quaymaster key create {name}` or `quaymaster key import begin {name}`, \
         or restore it from its back-up"
    ))
}

fn other_provider(name: &EncryptionKeyName, wanted: LocalProvider, found: LocalProvider) -> Error {
    Error::new(
        Kind::Unavailable,
        format!(
            "encryption key `{name}` is `{}` in the configuration, but `{}` is what lies here",
            wanted.as_str(),
            found.as_str()
        ),
    )
    .help("one name is one key for ever: give the other key another name")
}
