//! Who may come in. Four things and nothing of any protocol:
//!
//! - [`Directory`] is the live view of accounts and keys; a removal shows in it at once, so that
//!   open sessions of a removed key can be ended.
//! - [`KeyAuthenticator`] turns a key whose possession the transport has proven into a principal
//!   and records every answer: no login without its audit record (INV-9).
//! - [`Throttle`] decides which connections are worth accepting: limits, early random drop,
//!   penalties by source.
//! - [`SecretStores`] resolves `secret:NAME` at the moment of use.
//!
//! Time is a parameter everywhere; nothing here waits, spawns or opens a socket.

mod denials;
mod directory;
mod keys;
mod secrets;
pub mod throttle;

pub use directory::Directory;
pub use keys::KeyAuthenticator;
pub use secrets::{EnvironmentSecrets, FolderSecrets, SECRET_VARIABLE_PREFIX, SecretStores};
pub use throttle::{Limits, Throttle};
