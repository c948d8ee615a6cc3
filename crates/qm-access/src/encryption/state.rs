//! What is known of an encryption key besides its material, and how it changes: `key.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::material::CheckValue;
use qm_core::error::Retry;
use qm_core::id::EncryptionKeyName;
use qm_core::{Error, Kind, Result};

/// An encryption key whose material lies here.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyState {
    /// Where its material is from.
    pub provider: LocalProvider,
    /// Oldest first; the last one seals.
    pub generations: Vec<Generation>,
    /// An import that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<PendingImport>,
}

/// Where material is from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalProvider {
    /// Made here.
    File,
    /// Made by the customer.
    Imported,
}

/// One of an encryption key's keys.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Counted from 1.
    pub number: u32,
    /// Whether it can be used.
    pub state: GenerationState,
    /// Since when it exists.
    pub created: Timestamp,
    /// Which material it is.
    pub check_value: CheckValue,
    /// When its material is deleted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Whether a generation can be used.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationState {
    /// Yes.
    Enabled,
    /// Not until it is enabled again.
    Disabled,
    /// Its material was deleted or has expired; it can be imported again.
    Missing,
    /// Never again.
    Destroyed,
}

/// What an operator changes about generations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateChange {
    /// Not used until enabled.
    Disable,
    /// Used again.
    Enable,
    /// Material deleted, to be imported again.
    DeleteMaterial,
    /// Material deleted for ever.
    Destroy,
}

/// An import that was begun and not finished.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PendingImport {
    /// SHA-256 of the wrapping key's public half.
    pub fingerprint: String,
    /// Makes each token another one.
    pub nonce: String,
    /// The token is worth nothing then.
    pub expires: Timestamp,
    /// What is to be imported.
    pub purpose: ImportPurpose,
}

/// What is to be imported.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportPurpose {
    /// The first material, or such as was here before.
    Again,
    /// Material of a new generation.
    Rotate,
}

impl GenerationState {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Missing => "missing",
            Self::Destroyed => "destroyed",
        }
    }

    /// True if its material lies here.
    pub(crate) fn has_material(self) -> bool {
        match self {
            Self::Enabled | Self::Disabled => true,
            Self::Missing | Self::Destroyed => false,
        }
    }

    /// The state after a change; `None` if the change is none or cannot be.
    fn after(self, change: StateChange) -> Option<Self> {
        match (change, self) {
            (StateChange::Disable, Self::Enabled) => Some(Self::Disabled),
            (StateChange::Enable, Self::Disabled) => Some(Self::Enabled),
            (StateChange::DeleteMaterial, Self::Enabled | Self::Disabled) => Some(Self::Missing),
            (StateChange::Destroy, Self::Enabled | Self::Disabled | Self::Missing) => {
                Some(Self::Destroyed)
            }
            (StateChange::Disable, Self::Disabled | Self::Missing | Self::Destroyed)
            | (StateChange::Enable, Self::Enabled | Self::Missing | Self::Destroyed)
            | (StateChange::DeleteMaterial, Self::Missing | Self::Destroyed)
            | (StateChange::Destroy, Self::Destroyed) => None,
        }
    }
}

impl LocalProvider {
    /// As the configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Imported => "imported",
        }
    }
}

impl StateChange {
    fn participle(self) -> &'static str {
        match self {
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::DeleteMaterial => "deprived of its material",
            Self::Destroy => "destroyed",
        }
    }
}

impl KeyState {
    pub(crate) fn new(provider: LocalProvider) -> Self {
        Self {
            provider,
            generations: Vec::new(),
            import: None,
        }
    }

    /// What time does by itself: material and tokens expire.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for generation in &mut self.generations {
            if generation.state.has_material() && generation.expires.is_some_and(|at| at <= now) {
                generation.state = GenerationState::Missing;
            }
        }
        if self
            .import
            .as_ref()
            .is_some_and(|import| import.expires <= now)
        {
            self.import = None;
        }
    }

    /// Appends a generation; from now on it seals.
    pub(crate) fn add(
        &mut self,
        check_value: CheckValue,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Generation {
        let last = self.generations.last().map_or(0, |last| last.number);
        let generation = Generation {
            number: last + 1,
            state: GenerationState::Enabled,
            created: now,
            check_value,
            expires,
        };
        self.generations.push(generation.clone());
        generation
    }

    /// Changes one generation or all that can be changed so, and says which; an error if none can.
    pub(crate) fn change(
        &mut self,
        name: &EncryptionKeyName,
        only: Option<u32>,
        change: StateChange,
    ) -> Result<Vec<u32>> {
        let mut changed = Vec::new();
        for generation in &mut self.generations {
            if only.is_some_and(|only| only != generation.number) {
                continue;
            }
            if let Some(after) = generation.state.after(change) {
                generation.state = after;
                changed.push(generation.number);
            }
        }
        if changed.is_empty() {
            return Err(self.unchanged(name, only, change));
        }
        if change == StateChange::Destroy && only.is_none() {
            self.import = None;
        }
        Ok(changed)
    }

    /// The generation with which something is to be sealed (`None`) or opened, if it can be used.
    pub(crate) fn usable(
        &self,
        name: &EncryptionKeyName,
        number: Option<u32>,
        now: Timestamp,
    ) -> Result<&Generation> {
        let found = match number {
            Some(number) => self.generations.iter().find(|g| g.number == number),
            None => self.generations.last(),
        };
        let Some(generation) = found else {
            return Err(without_generation(name, number));
        };
        let mut state = generation.state;
        if generation.expires.is_some_and(|at| at <= now) && state.has_material() {
            state = GenerationState::Missing;
        }
        let number = generation.number;
        match state {
            GenerationState::Enabled => Ok(generation),
            GenerationState::Disabled => Err(unavailable(format!(
                "generation {number} of encryption key `{name}` is disabled"
            ))
            .help(format!("quaymaster key enable {name} --generation {number}"))),
            GenerationState::Missing => Err(unavailable(format!(
                "the material of encryption key `{name}`, generation {number}, was deleted or has expired"
            ))
            .help(format!(
                "import the same material again, beginning with `quaymaster key import begin {name}`"
            ))),
            GenerationState::Destroyed => Err(unavailable(format!(
                "generation {number} of encryption key `{name}` was destroyed; what it sealed can never be read again"
            ))
            .retry(Retry::Never)),
        }
    }

    fn unchanged(&self, name: &EncryptionKeyName, only: Option<u32>, change: StateChange) -> Error {
        let there: Vec<String> = self
            .generations
            .iter()
            .filter(|g| only.is_none_or(|only| only == g.number))
            .map(|g| format!("{} is {}", g.number, g.state.as_str()))
            .collect();
        let what = change.participle();
        let message = match (only, there.as_slice()) {
            (Some(only), []) => format!("encryption key `{name}` has no generation {only}"),
            (None, []) => format!("encryption key `{name}` has no generation yet"),
            (_, there) => format!(
                "no generation of encryption key `{name}` can be {what}: {}",
                there.join(", ")
            ),
        };
        Error::new(Kind::Conflict, message)
    }
}

fn without_generation(name: &EncryptionKeyName, number: Option<u32>) -> Error {
    match number {
        None => unavailable(format!("encryption key `{name}` has no material yet")).help(format!(
            "import it, beginning with `quaymaster key import begin {name}`"
        )),
        Some(number) => unavailable(format!(
            "encryption key `{name}` has no generation {number}"
        ))
        .help("its folder is older than the bytes: restore the newest back-up of it"),
    }
}

fn unavailable(message: String) -> Error {
    Error::new(Kind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::super::material::Material;
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn state(states: &[GenerationState]) -> KeyState {
        let mut key = KeyState::new(LocalProvider::Imported);
        for state in states {
            let material = Material::generate().unwrap();
            key.add(material.check_value(), None, NOW);
            key.generations.last_mut().unwrap().state = *state;
        }
        key
    }

    fn name() -> EncryptionKeyName {
        EncryptionKeyName::parse("landing").unwrap()
    }

    #[test]
    fn changes_of_state() {
        use GenerationState::{Destroyed, Disabled, Enabled, Missing};
        use StateChange::{DeleteMaterial, Destroy, Disable, Enable};
        let all = [Enabled, Disabled, Missing, Destroyed];
        for (change, expect) in [
            (Disable, [Some(Disabled), None, None, None]),
            (Enable, [None, Some(Enabled), None, None]),
            (DeleteMaterial, [Some(Missing), Some(Missing), None, None]),
            (
                Destroy,
                [Some(Destroyed), Some(Destroyed), Some(Destroyed), None],
            ),
        ] {
            assert_eq!(all.map(|from| from.after(change)), expect, "{change:?}");
        }
    }

    #[test]
    fn the_newest_seals_and_no_older_one_in_its_place() {
        use GenerationState::{Disabled, Enabled};
        let mut key = state(&[Enabled, Disabled]);
        assert!(key.usable(&name(), None, NOW).is_err());
        assert_eq!(key.usable(&name(), Some(1), NOW).unwrap().number, 1);
        key.change(&name(), None, StateChange::Enable).unwrap();
        assert_eq!(key.usable(&name(), None, NOW).unwrap().number, 2);
        assert!(key.usable(&name(), Some(3), NOW).is_err());
    }

    #[test]
    fn a_change_of_nothing_is_an_error_that_says_why() {
        use GenerationState::{Destroyed, Disabled, Enabled};
        let mut key = state(&[Destroyed, Disabled]);
        let said = key.change(&name(), None, StateChange::Disable).unwrap_err();
        assert!(
            said.public_message()
                .ends_with("1 is destroyed, 2 is disabled")
        );
        let said = key
            .change(&name(), Some(9), StateChange::Disable)
            .unwrap_err();
        assert!(said.public_message().ends_with("has no generation 9"));
        let mut key = state(&[Enabled, Disabled]);
        assert_eq!(
            key.change(&name(), Some(1), StateChange::Destroy).unwrap(),
            [1]
        );
        assert_eq!(key.generations[1].state, Disabled);
    }

    #[test]
    fn material_and_tokens_expire_to_the_moment() {
        let mut key = state(&[GenerationState::Enabled]);
        let at: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        key.generations[0].expires = Some(at);
        key.import = Some(PendingImport {
            fingerprint: String::new(),
            nonce: String::new(),
            expires: at,
            purpose: ImportPurpose::Again,
        });
        let before = at - jiff::SignedDuration::from_nanos(1);
        let whole = key.clone();
        key.expire(before);
        assert_eq!(key, whole);
        assert!(key.usable(&name(), None, before).is_ok());
        assert!(key.usable(&name(), None, at).is_err());
        key.expire(at);
        assert_eq!(key.generations[0].state, GenerationState::Missing);
        assert_eq!(key.import, None);
    }
}
