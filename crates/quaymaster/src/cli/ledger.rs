//! Opens the ledger that a command works on, beside a node that may be running.

use anyhow::bail;
use std::path::PathBuf;

use super::{Ledger, configuration};
use crate::node::{Durability, OpenLedger, OpenedBy, ledger_file, refuse_root};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::{Config, LedgerPlace};
use qm_core::ports::clock::Clock as _;

impl Ledger {
    /// The ledger; an error if the node was never started.
    pub(crate) async fn open(&self) -> anyhow::Result<OpenLedger> {
        self.open_by(OpenedBy::Command).await
    }

    /// The same, also for who works as the node that does not run.
    pub(crate) async fn open_by(&self, by: OpenedBy) -> anyhow::Result<OpenLedger> {
        let data = self.data_folder()?;
        let own = self.own_config()?;
        if let Some(config) = own.filter(|own| own.node.ledger != LedgerPlace::Sqlite) {
            return OpenLedger::of(&config, by, Durability::Full).await;
        }
        if !ledger_file(&data).exists() {
            bail!(
                "there is no ledger in {} yet; start the node once with `quaymaster serve`\n  help: a ledger that \
                 nodes share is found by their configuration: `--config FILE` without `--data`",
                data.display()
            );
        }
        OpenLedger::sqlite(&data, by, Durability::Full)
    }

    /// The configuration, for what belongs to one node of those that share a ledger.
    pub(crate) fn own_config(&self) -> anyhow::Result<Option<Config>> {
        match &self.data {
            Some(_) => Ok(None),
            None => Ok(Some(configuration::load(&self.config)?.config)),
        }
    }

    /// The data folder, for those who may work in it.
    pub(crate) fn data_folder(&self) -> anyhow::Result<PathBuf> {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => configuration::load(&self.config)?.config.node.data,
        };
        refuse_root(&data)?;
        Ok(data)
    }
}

/// An audit record of what the operator at this terminal does.
pub(crate) fn operator(activity: Activity, subject: impl Into<String>) -> AuditRecord {
    AuditRecord {
        at: crate::system::SystemClock.now(),
        actor: format!("operator uid {}", rustix::process::getuid().as_raw()),
        source: None,
        activity,
        subject: subject.into(),
        decision: Decision::Allowed,
    }
}
