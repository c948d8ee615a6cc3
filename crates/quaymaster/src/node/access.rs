//! Who may come in: accounts of the revision, keys added while running, limits.

use anyhow::Context as _;
use parking_lot::Mutex;
use std::sync::Arc;

use super::{OpenLedger, Running};
use crate::system::SystemClock;
use qm_access::{Directory, KeyAuthenticator, Limits, Throttle};
use qm_core::config::Config;
use qm_core::ports::ledger::AddedKey;

/// Who may come in, kept up to date.
pub(crate) struct Access {
    directory: Arc<Directory>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) authenticator: Arc<KeyAuthenticator>,
    added: Mutex<Vec<AddedKey>>,
}

impl Access {
    pub(super) async fn new(ledger: &OpenLedger, running: &Running) -> anyhow::Result<Self> {
        let directory = Arc::new(Directory::default());
        let clock = Arc::new(SystemClock);
        let audit = ledger.rows();
        let authenticator = Arc::new(KeyAuthenticator::new(
            Arc::clone(&directory),
            audit,
            clock.clone(),
        ));
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).context("reading random numbers")?;
        let throttle = Throttle::new(limits(&running.config()), clock, u64::from_ne_bytes(seed));
        let access = Self {
            directory,
            throttle: Arc::new(throttle),
            authenticator,
            added: Mutex::default(),
        };
        access.update(ledger, &running.config()).await?;
        Ok(access)
    }

    /// Takes up accounts and limits of a revision and the keys that were added; true if these
    /// are others than before.
    pub(crate) async fn update(
        &self,
        ledger: &OpenLedger,
        config: &Config,
    ) -> anyhow::Result<bool> {
        let added = ledger.keys().await?;
        self.directory
            .update(config.accounts.values().cloned().collect(), added.clone());
        self.throttle.set_limits(limits(config));
        Ok(std::mem::replace(&mut *self.added.lock(), added.clone()) != added)
    }
}

fn limits(config: &Config) -> Limits {
    Limits::new(
        config.sftp.connections_max,
        config.sftp.connections_per_account_max,
    )
}
