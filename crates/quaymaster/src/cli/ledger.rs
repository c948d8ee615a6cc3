//! Opens the ledger that a command works on, beside a node that may be running.

use anyhow::{Context as _, bail};
use std::path::PathBuf;

use super::{Ledger, configuration};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::ports::clock::Clock as _;
use qm_ledger::SqliteLedger;

impl Ledger {
    /// The ledger; an error if the node was never started.
    pub(crate) fn open(&self) -> anyhow::Result<SqliteLedger> {
        let data = self.data_folder()?;
        let file = crate::node::ledger_file(&data);
        if !file.exists() {
            bail!(
                "there is no ledger in {} yet; start the node once with `quaymaster serve`",
                data.display()
            );
        }
        crate::node::open_ledger(&data)
            .with_context(|| format!("opening the ledger in {}", data.display()))
    }

    pub(crate) fn data_folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        Ok(configuration::load(&self.config)?.config.node.data)
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
