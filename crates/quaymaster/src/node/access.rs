//! Who may come in: accounts of the revision, keys added while running, limits.

use anyhow::Context as _;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::{OpenLedger, Running};
use crate::system::SystemClock;
use qm_access::{Directory, KeyAuthenticator, Limits, Throttle};
use qm_core::config::Config;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{AddedKey, NodeReport};

/// Who may come in, kept up to date.
pub(crate) struct Access {
    directory: Arc<Directory>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) authenticator: Arc<KeyAuthenticator>,
    /// Held while they are taken up: what was read first must not be put in place last.
    added: Mutex<Vec<AddedKey>>,
    /// When it last began a look at the keys that succeeded.
    looked_at: parking_lot::Mutex<Option<Timestamp>>,
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
            looked_at: parking_lot::Mutex::default(),
        };
        access.update(ledger, running).await?;
        Ok(access)
    }

    /// Takes up accounts and limits of a revision and the keys that were added; true if these
    /// are others than before.
    pub(crate) async fn update(
        &self,
        ledger: &OpenLedger,
        running: &Running,
    ) -> anyhow::Result<bool> {
        let mut known = self.added.lock().await;
        let config = running.config();
        let added = ledger.keys().await?;
        self.directory
            .update(config.accounts.values().cloned().collect(), added.clone());
        self.throttle.set_limits(limits(&config));
        Ok(std::mem::replace(&mut *known, added.clone()) != added)
    }

    /// Says that the node is alive, as of before it last looked at the keys: whoever changed one earlier
    /// knows by that that it is taken up. Keys that cannot be looked at now cost it no lease.
    pub(super) async fn say_alive(
        &self,
        ledger: &OpenLedger,
        running: &Running,
        report: &NodeReport,
    ) -> anyhow::Result<()> {
        let began = SystemClock.now();
        let looked = self.update(ledger, running).await;
        let alive_at = match &looked {
            Ok(_) => *self.looked_at.lock().insert(began),
            Err(_) => self.looked_at.lock().unwrap_or(report.started_at),
        };
        let alive = NodeReport {
            alive_at: Some(alive_at),
            ..report.clone()
        };
        ledger.report(alive).await?;
        looked.map(|_| ())
    }
}

fn limits(config: &Config) -> Limits {
    Limits::new(
        config.sftp.connections_max,
        config.sftp.connections_per_account_max,
    )
}
