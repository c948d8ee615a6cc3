//! Encryption keys as a running node and operators' commands meet over one folder.

mod crash;
mod import;
mod store;

use qm_core::config::EncryptionKey;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::encryption::{EncryptionKeys as _, Envelope};
use qm_core::{Error, Result};
use qm_testkit::TestClock;
use std::path::PathBuf;
use std::sync::Arc;

use super::{EncryptionKeyFolder, EncryptionKeyStore};
use jiff::Timestamp;

/// A folder, a running node's store over it, and an operator beside the node.
struct House {
    _temporary: tempfile::TempDir,
    path: PathBuf,
    clock: TestClock,
    store: EncryptionKeyStore,
    operator: EncryptionKeyFolder,
}

impl House {
    /// With the keys `made` (of a file) and `brought` (imported) in the configuration.
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("encryption-keys");
        let clock = TestClock::at("2026-11-20T12:00:00Z");
        Self {
            store: store(&path, &clock),
            operator: EncryptionKeyFolder::new(path.clone()),
            _temporary: temporary,
            path,
            clock,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn seal(&self, key: &str) -> Result<([u8; 32], Envelope)> {
        let (data_key, envelope) = self.store.seal(&name(key), version(1)).await?;
        Ok((*data_key.reveal(), envelope))
    }

    async fn open(&self, envelope: &Envelope) -> Result<[u8; 32]> {
        self.store.open(envelope).await.map(|key| *key.reveal())
    }
}

fn store(path: &std::path::Path, clock: &TestClock) -> EncryptionKeyStore {
    let store = EncryptionKeyStore::new(path.to_owned(), Arc::new(clock.clone()));
    let keys = [
        (name("made"), EncryptionKey::File),
        (name("brought"), EncryptionKey::Imported),
    ];
    store.update(&keys.into());
    store
}

fn name(text: &str) -> EncryptionKeyName {
    EncryptionKeyName::parse(text).unwrap()
}

fn version(random: u128) -> VersionId {
    VersionId::from_parts(1, random)
}

/// What somebody reads, and the verdict.
fn said(error: &Error) -> String {
    format!("{:?}: {}", error.kind(), error.public_message())
}
