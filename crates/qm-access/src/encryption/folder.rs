//! The folder of encryption keys that no cloud holds, as operators' commands change it. The running
//! node reads it beside them: nothing has to be told to it.
//!
//! ```text
//! .lock                one change at a time
//! .root_key            seals what waits for an import
//! NAME/key.json        state and generations
//! NAME/1.key           material: 32 bytes
//! NAME/import.key      the private half of a wrapping key, sealed
//! ```

use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::{self, Content, FolderLock, LockFor, Step};
use super::material::Material;
use super::state::{Generation, KeyState, LocalProvider, StateChange};
use qm_core::id::EncryptionKeyName;
use qm_core::{Error, Kind, Result};

const STATE: &str = "key.json";
pub(super) const IMPORT: &str = "import.key";
/// No encryption key's name begins with a dot.
const LOCK: &str = ".lock";

/// The folder of encryption keys that no cloud holds.
#[derive(Clone, Debug)]
pub struct EncryptionKeyFolder {
    path: PathBuf,
}

/// What a change makes of an encryption key.
#[derive(Debug)]
pub(super) struct Edit<T> {
    pub(super) state: KeyState,
    /// Further files, by name.
    pub(super) files: Vec<(String, Content)>,
    pub(super) outcome: T,
}

/// A change worked out, to be made while nobody else changes anything.
#[derive(Debug)]
pub(super) struct Planned<T> {
    pub(super) steps: Vec<Step>,
    outcome: T,
    _lock: FolderLock,
}

impl<T> Planned<T> {
    pub(super) fn commit(self) -> Result<T> {
        for step in &self.steps {
            step.run()?;
        }
        Ok(self.outcome)
    }
}

impl EncryptionKeyFolder {
    /// The folder at `path`; made when the first key is.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All encryption keys in it, as they are now.
    pub fn list(&self, now: Timestamp) -> Result<Vec<(EncryptionKeyName, KeyState)>> {
        let mut keys = Vec::new();
        for name in files::names(&self.path)? {
            let Ok(name) = EncryptionKeyName::parse(&name) else {
                continue;
            };
            if let Some(mut state) = self.state(&name)? {
                state.expire(now);
                keys.push((name, state));
            }
        }
        Ok(keys)
    }

    /// Makes an encryption key with material of its own; fails with `AlreadyExists`.
    pub fn create(&self, name: &EncryptionKeyName, now: Timestamp) -> Result<Generation> {
        self.plan(name, now, |state| create(name, state.as_ref(), now))?
            .commit()
    }

    /// Gives a key made here a new generation: it seals from now on, older ones only open.
    pub fn rotate(&self, name: &EncryptionKeyName, now: Timestamp) -> Result<Generation> {
        self.plan(name, now, |state| rotate(name, state, now))?
            .commit()
    }

    /// Changes one generation, or all that can be changed so; says which were.
    pub fn change(
        &self,
        name: &EncryptionKeyName,
        only: Option<u32>,
        change: StateChange,
        now: Timestamp,
    ) -> Result<Vec<u32>> {
        self.plan(name, now, |state| set(name, state, only, change))?
            .commit()
    }

    /// Removes material and wrapping keys whose time is over, and what a crash left behind.
    pub fn tend(&self, now: Timestamp) -> Result<()> {
        for (name, expired) in self.list(now)? {
            let folder = self.folder_of(&name);
            let wanted = wanted(&expired);
            let is_tidy = files::names(&folder)?
                .iter()
                .all(|file| wanted.contains(file));
            if is_tidy && self.state(&name)?.as_ref() == Some(&expired) {
                continue;
            }
            self.plan(&name, now, |state| {
                let state = state.ok_or_else(|| missing(&name))?;
                Ok(Edit {
                    state,
                    files: Vec::new(),
                    outcome: (),
                })
            })?
            .commit()?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder_of(&self, name: &EncryptionKeyName) -> PathBuf {
        self.path.join(name.as_str())
    }

    pub(super) fn state_file(&self, name: &EncryptionKeyName) -> PathBuf {
        self.folder_of(name).join(STATE)
    }

    /// What is known of a key; `None` if there is no such key.
    pub(super) fn state(&self, name: &EncryptionKeyName) -> Result<Option<KeyState>> {
        let Some(text) = files::read(&self.state_file(name))? else {
            return Ok(None);
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::new(
                Kind::Unavailable,
                format!("the state of encryption key `{name}` is damaged"),
            )
            .help("restore the key's folder from its back-up")
            .source(error)
        })
    }

    /// The material of a generation, which must be the one that it was made with.
    pub(super) fn material(
        &self,
        name: &EncryptionKeyName,
        generation: &Generation,
    ) -> Result<Material> {
        let path = self.folder_of(name).join(material_file(generation.number));
        let bytes = files::read(&path)?;
        bytes
            .and_then(|bytes| Material::from_slice(&bytes))
            .filter(|material| material.check_value() == generation.check_value)
            .ok_or_else(|| {
                Error::new(
                    Kind::Unavailable,
                    format!(
                        "the material of encryption key `{name}`, generation {}, is lost or damaged",
                        generation.number
                    ),
                )
                .help("restore the key's folder from its back-up")
                .with("file", path.display())
            })
    }

    pub(super) fn lock(&self, purpose: LockFor) -> Result<FolderLock> {
        FolderLock::take(&self.path.join(LOCK), purpose)
    }

    /// Works a change out, under the lock that it will be made under.
    pub(super) fn plan<T>(
        &self,
        name: &EncryptionKeyName,
        now: Timestamp,
        edit: impl FnOnce(Option<KeyState>) -> Result<Edit<T>>,
    ) -> Result<Planned<T>> {
        Step::MakeFolder(self.path.clone()).run()?;
        let lock = self.lock(LockFor::Change)?;
        let mut state = self.state(name)?;
        if let Some(state) = &mut state {
            state.expire(now);
        }
        let edit = edit(state)?;
        Ok(Planned {
            steps: self.steps(name, &edit.state, edit.files)?,
            outcome: edit.outcome,
            _lock: lock,
        })
    }

    fn steps(
        &self,
        name: &EncryptionKeyName,
        state: &KeyState,
        new: Vec<(String, Content)>,
    ) -> Result<Vec<Step>> {
        let folder = self.folder_of(name);
        let text = serde_json::to_vec_pretty(state).map_err(|error| {
            Error::new(
                Kind::Bug,
                "the state of an encryption key cannot be written",
            )
            .source(error)
        })?;
        let wanted = wanted(state);
        let unwanted = files::names(&folder)?
            .into_iter()
            .filter(|file| !wanted.contains(file));
        let mut steps = vec![Step::MakeFolder(folder.clone())];
        steps.extend(
            new.into_iter()
                .map(|(file, content)| Step::Write(folder.join(file), content)),
        );
        steps.push(Step::Write(folder.join(STATE), Content::new(text)));
        steps.extend(unwanted.map(|file| Step::Wipe(folder.join(file))));
        Ok(steps)
    }
}

/// The files that a key in this state has; all others are wiped.
fn wanted(state: &KeyState) -> BTreeSet<String> {
    let material = state
        .generations
        .iter()
        .filter(|generation| generation.state.has_material())
        .map(|generation| material_file(generation.number));
    let import = state.import.as_ref().map(|_| IMPORT.to_owned());
    material
        .chain(import)
        .chain(std::iter::once(STATE.to_owned()))
        .collect()
}

pub(super) fn material_file(generation: u32) -> String {
    format!("{generation}.key")
}

pub(super) fn missing(name: &EncryptionKeyName) -> Error {
    Error::new(
        Kind::NotFound,
        format!("there is no material for encryption key `{name}` here"),
    )
}

pub(super) fn create(
    name: &EncryptionKeyName,
    state: Option<&KeyState>,
    now: Timestamp,
) -> Result<Edit<Generation>> {
    if state.is_some() {
        return Err(Error::new(
            Kind::AlreadyExists,
            format!("encryption key `{name}` exists already"),
        )
        .help(format!("for new material: quaymaster key rotate {name}")));
    }
    with_new_material(KeyState::new(LocalProvider::File), now)
}

pub(super) fn rotate(
    name: &EncryptionKeyName,
    state: Option<KeyState>,
    now: Timestamp,
) -> Result<Edit<Generation>> {
    let state = state.ok_or_else(|| missing(name).help(format!("quaymaster key create {name}")))?;
    match state.provider {
        LocalProvider::File => with_new_material(state, now),
        LocalProvider::Imported => Err(Error::new(
            Kind::Refused,
            format!("encryption key `{name}` is imported: its material is made by its owner"),
        )
        .help(format!(
            "quaymaster key import begin {name} --new-generation"
        ))),
    }
}

fn with_new_material(mut state: KeyState, now: Timestamp) -> Result<Edit<Generation>> {
    let material = Material::generate()?;
    let generation = state.add(material.check_value(), None, now);
    let content = Content::new(material.reveal().to_vec());
    Ok(Edit {
        state,
        files: vec![(material_file(generation.number), content)],
        outcome: generation,
    })
}

pub(super) fn set(
    name: &EncryptionKeyName,
    state: Option<KeyState>,
    only: Option<u32>,
    change: StateChange,
) -> Result<Edit<Vec<u32>>> {
    let mut state = state.ok_or_else(|| missing(name))?;
    if change == StateChange::DeleteMaterial && state.provider == LocalProvider::File {
        return Err(Error::new(
            Kind::Refused,
            format!(
                "encryption key `{name}` was made here: nobody could import its material again"
            ),
        )
        .help(format!(
            "to give it up for ever: quaymaster key destroy {name}"
        )));
    }
    let outcome = state.change(name, only, change)?;
    Ok(Edit {
        state,
        files: Vec::new(),
        outcome,
    })
}
