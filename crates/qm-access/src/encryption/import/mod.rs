//! Material that its owner makes and brings here wrapped (as AWS KMS takes it): `begin` makes a
//! wrapping key whose private half stays here, sealed; the owner wraps the material under the
//! public half; `finish` takes it. Whatever is wrong with a token or with what was wrapped is
//! answered by one refusal: whoever tries must not learn which part was right.

mod unwrap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

use super::files::{self, Content, LockFor, Step};
use super::folder::{Edit, EncryptionKeyFolder, IMPORT, material_file};
use super::material::{Material, broken, fill_random};
use super::state::{
    Generation, GenerationState, ImportPurpose, KeyState, LocalProvider, PendingImport,
};
use qm_core::id::EncryptionKeyName;
use qm_core::{Error, Kind, Result};
pub use unwrap::WrappingAlgorithm;

/// As long as AWS KMS gives.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24);
const ROOT_KEY: &str = ".root_key";
/// The private half that is used when there is none, so that a spent token takes as long as a wrong
/// one. What is wrapped under it, nobody has the public half to wrap.
const DECOY: &str = ".decoy_key";

/// What the owner of the material needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportOffer {
    /// The wrapping key's public half, RSA-4096, as `SubjectPublicKeyInfo` in DER.
    pub public_key: Vec<u8>,
    /// Its SHA-256, in hexadecimal.
    pub fingerprint: String,
    /// Comes back with the wrapped material.
    pub token: String,
    /// Neither is worth anything then.
    pub expires: Timestamp,
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub struct WrappedMaterial<'a> {
    /// The token, as it was given out.
    pub token: &'a [u8],
    /// The material, wrapped.
    pub wrapped: &'a [u8],
    /// How it was wrapped.
    pub algorithm: WrappingAlgorithm,
    /// When the material is deleted by itself.
    pub expires: Option<Timestamp>,
}

impl EncryptionKeyFolder {
    /// Makes a wrapping key and a token for one import. An import that was begun before ends.
    pub fn begin_import(
        &self,
        name: &EncryptionKeyName,
        purpose: ImportPurpose,
        now: Timestamp,
    ) -> Result<ImportOffer> {
        let root = self.make_root()?;
        // Takes seconds, so before the lock.
        let private = generate()?;
        let public: Vec<u8> = public_half(&private)?;
        let mut nonce = [0; 16];
        fill_random(&mut nonce)?;
        let pending = PendingImport {
            fingerprint: hex::encode(digest::digest(&digest::SHA256, &public)),
            nonce: hex::encode(nonce),
            expires: now + TOKEN_LIFE,
            purpose,
        };
        let offer = ImportOffer {
            public_key: public,
            fingerprint: pending.fingerprint.clone(),
            token: token(&root, name, &pending),
            expires: pending.expires,
        };
        let sealed = seal_private(&root, &private_name(name, &pending), &private)?;
        self.plan(name, now, |state| {
            let mut state = state.unwrap_or_else(|| KeyState::new(LocalProvider::Imported));
            if state.provider != LocalProvider::Imported {
                return Err(Error::new(
                    Kind::Refused,
                    format!("encryption key `{name}` was made here and takes no other material"),
                ));
            }
            state.import = Some(pending);
            Ok(Edit {
                state,
                files: vec![(IMPORT.to_owned(), Content::new(sealed))],
                outcome: offer,
            })
        })?
        .commit()
    }

    /// Takes wrapped material. The same material as before becomes usable again; new material
    /// becomes a generation if the key has none or the import was begun for one.
    pub fn finish_import(
        &self,
        name: &EncryptionKeyName,
        given: WrappedMaterial<'_>,
        now: Timestamp,
    ) -> Result<Generation> {
        self.plan(name, now, |state| {
            let state = state.unwrap_or_else(|| KeyState::new(LocalProvider::Imported));
            let Some(root) = self.root()? else {
                return Err(refused());
            };
            let material = self.unwrapped(name, &state, &root, given)?;
            let purpose = state.import.as_ref().map(|import| import.purpose);
            taken(name, state, purpose, &material, given.expires, now)
        })?
        .commit()
    }

    /// The material, if token and wrapping are right. All of it is looked at before an answer.
    fn unwrapped(
        &self,
        name: &EncryptionKeyName,
        state: &KeyState,
        root: &Material,
        given: WrappedMaterial<'_>,
    ) -> Result<Material> {
        let (private, expected) = match &state.import {
            Some(pending) => {
                let path = self.folder_of(name).join(IMPORT);
                let private = private_half(&path, root, &private_name(name, pending))?;
                (private, Some(token(root, name, pending)))
            }
            None => (private_half(&self.path().join(DECOY), root, DECOY)?, None),
        };
        let is_pending = expected.is_some();
        let expected = expected.unwrap_or_default();
        let is_right_token =
            verify_slices_are_equal(expected.as_bytes(), given.token.trim_ascii_end()).is_ok();
        let material = unwrap::unwrap(&private, given.algorithm, given.wrapped)?;
        material
            .filter(|_| is_pending && is_right_token)
            .ok_or_else(refused)
    }

    /// What seals private halves here; `None` if no import was ever begun.
    fn root(&self) -> Result<Option<Material>> {
        let path = self.path().join(ROOT_KEY);
        let Some(bytes) = files::read(&path)? else {
            return Ok(None);
        };
        Material::from_slice(&bytes).map(Some).ok_or_else(|| {
            Error::new(Kind::Unavailable, "the root key of imports is damaged")
                .help("remove the file; imports that were begun must be begun anew")
                .with("file", path.display())
        })
    }

    fn make_root(&self) -> Result<Material> {
        if let Some(root) = self.root()?
            && files::read(&self.path().join(DECOY))?.is_some()
        {
            return Ok(root);
        }
        let decoy = generate()?;
        Step::MakeFolder(self.path().to_owned()).run()?;
        let _lock = self.lock(LockFor::Change)?;
        let root = if let Some(root) = self.root()? {
            root
        } else {
            let root = Material::generate()?;
            let content = Content::new(root.reveal().to_vec());
            Step::Write(self.path().join(ROOT_KEY), content).run()?;
            root
        };
        let sealed = seal_private(&root, DECOY, &decoy)?;
        Step::Write(self.path().join(DECOY), Content::new(sealed)).run()?;
        Ok(root)
    }
}

fn private_half(path: &Path, root: &Material, bound: &str) -> Result<OaepPrivateDecryptingKey> {
    let sealed = files::read(path)?;
    let opened = match &sealed {
        Some(sealed) => sealing_key(root).open(bound.as_bytes(), sealed)?,
        None => None,
    };
    opened
        .and_then(|pkcs8| PrivateDecryptingKey::from_pkcs8(&pkcs8).ok())
        .and_then(|private| OaepPrivateDecryptingKey::new(private).ok())
        .ok_or_else(|| {
            Error::new(Kind::Unavailable, "the wrapping key is lost or damaged")
                .help("begin the import anew")
                .with("file", path.display())
        })
}

/// What the key is with the material. The token and the private half are spent with this change.
fn taken(
    name: &EncryptionKeyName,
    mut state: KeyState,
    purpose: Option<ImportPurpose>,
    material: &Material,
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<Edit<Generation>> {
    if expires.is_some_and(|at| at <= now) {
        return Err(Error::new(
            Kind::Invalid,
            "the material would have expired already",
        ));
    }
    let check_value = material.check_value();
    let is_new = purpose == Some(ImportPurpose::Rotate) || state.generations.is_empty();
    let same = state
        .generations
        .iter_mut()
        .find(|generation| generation.check_value == check_value);
    let generation = match (same, is_new) {
        (Some(same), _) if same.state == GenerationState::Destroyed => {
            return Err(not_taken(format!(
                "this is the material of generation {} of encryption key `{name}`, which was destroyed for ever",
                same.number
            )));
        }
        (Some(same), true) => {
            return Err(not_taken(format!(
                "this is the material of generation {} of encryption key `{name}`, not new material",
                same.number
            )));
        }
        (Some(same), false) => {
            same.state = GenerationState::Enabled;
            same.expires = expires;
            same.clone()
        }
        (None, true) => state.add(check_value, expires, now),
        (None, false) => {
            return Err(not_taken(format!(
                "this is not the material that encryption key `{name}` had before: its check value is {check_value}"
            ))
            .help(format!(
                "`quaymaster key list` shows the check values; for new material begin with `quaymaster key import begin {name} --new-generation`"
            )));
        }
    };
    state.import = None;
    let content = Content::new(material.reveal().to_vec());
    Ok(Edit {
        state,
        files: vec![(material_file(generation.number), content)],
        outcome: generation,
    })
}

fn not_taken(message: String) -> Error {
    Error::new(Kind::Conflict, message)
}

/// The one answer to whatever is wrong.
fn refused() -> Error {
    Error::new(
        Kind::Refused,
        "the import is refused: token, algorithm and wrapped material do not belong together",
    )
    .help(
        "a token is good for one import within 24 hours, and only material of 32 bytes is taken; \
         begin the import anew",
    )
}

/// Bound to the key's name, the wrapping key and the time.
fn token(root: &Material, name: &EncryptionKeyName, pending: &PendingImport) -> String {
    let said = format!(
        "quaymaster-import-token-1:{name}:{}:{}:{}",
        pending.fingerprint, pending.expires, pending.nonce
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, root.derive("import tokens").reveal());
    let tag = hmac::sign(&key, said.as_bytes());
    format!("{said}:{}", hex::encode(tag))
}

fn private_name(name: &EncryptionKeyName, pending: &PendingImport) -> String {
    format!("{name}:{}", pending.fingerprint)
}

fn sealing_key(root: &Material) -> Material {
    root.derive("private halves of wrapping keys")
}

fn seal_private(root: &Material, bound: &str, private: &PrivateDecryptingKey) -> Result<Vec<u8>> {
    let pkcs8 = private
        .as_der()
        .map_err(|_| broken("write a private key"))?;
    sealing_key(root).seal(bound.as_bytes(), pkcs8.as_ref())
}

fn generate() -> Result<PrivateDecryptingKey> {
    PrivateDecryptingKey::generate(KeySize::Rsa4096).map_err(|_| broken("make a wrapping key"))
}

fn public_half(private: &PrivateDecryptingKey) -> Result<Vec<u8>> {
    let der = private.public_key().as_der();
    der.map(|der| der.as_ref().to_vec())
        .map_err(|_| broken("write a public key"))
}
