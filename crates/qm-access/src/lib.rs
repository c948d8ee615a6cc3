//! Who may come in, and with which keys. Five things and nothing of any protocol:
//!
//! - [`Directory`] is the live view of accounts and keys; a removal shows in it at once, so that
//!   open sessions of a removed key can be ended.
//! - [`KeyAuthenticator`] turns a key whose possession the transport has proven into a principal
//!   and records every answer: no login without its audit record (INV-9).
//! - [`Throttle`] decides which connections are worth accepting: limits, early random drop,
//!   penalties by source.
//! - [`SecretStores`] resolves `secret:NAME`, and what a lookup names, at the moment of use.
//! - [`EncryptionKeyStore`] holds what wraps the keys of sealed bytes.
//!
//! Time is a parameter everywhere; nothing here waits, spawns or opens a socket, but for keys and
//! secrets that a cloud holds and for reading files.

mod denials;
mod directory;
mod encryption;
mod keys;
mod secrets;
pub mod throttle;

pub use directory::Directory;
pub use encryption::{
    CheckValue, EncryptionKeyFolder, EncryptionKeyStore, Generation, GenerationState, ImportOffer,
    ImportPurpose, KeyState, LocalProvider, PendingImport, StateChange, WrappedMaterial,
    WrappingAlgorithm,
};
pub use keys::KeyAuthenticator;
pub use secrets::{
    AwsSecrets, EnvironmentSecrets, FolderSecrets, SECRET_VARIABLE_PREFIX, SecretStores,
};
pub use throttle::{Limits, Throttle};
