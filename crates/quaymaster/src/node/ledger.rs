//! The ledger that a configuration speaks of: SQLite in the data folder, or PostgreSQL that nodes
//! share.

use anyhow::Context as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

use super::{Durability, files, secret_stores};
use crate::cli::explain;
use qm_core::config::{Config, LedgerPlace};
use qm_core::id::NodeName;
use qm_core::ports::access::Secrets as _;
use qm_core::ports::ledger::Ledger;
use qm_ledger::{PostgresLedger, PostgresOptions, SqliteLedger, SqliteOptions};

/// An open ledger and the signal that it changed.
#[derive(Clone)]
pub(crate) struct OpenLedger {
    rows: Arc<dyn Ledger>,
    changes: watch::Receiver<u64>,
    place: String,
    is_shared: bool,
}

/// Who opens a ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpenedBy {
    /// The node of the data folder; nobody else may be it at the same time.
    Node,
    /// A command beside it.
    Command,
}

impl OpenLedger {
    /// Opens the ledger of a configuration.
    pub(crate) async fn of(
        config: &Config,
        by: OpenedBy,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let data = &config.node.data;
        let secret = match &config.node.ledger {
            LedgerPlace::Sqlite => return Self::sqlite(data, by, durability),
            LedgerPlace::Postgres(secret) => secret,
        };
        let connection = secret_stores(config)?.get(secret).await.map_err(explain)?;
        let node = match by {
            OpenedBy::Node => node_name(data)?,
            OpenedBy::Command => NodeName::parse(&format!("command-{}", std::process::id()))?,
        };
        let options = PostgresOptions::new(connection, node);
        let ledger = PostgresLedger::open(options)
            .await
            .map_err(explain)
            .context("opening the shared ledger")?;
        Ok(Self {
            changes: ledger.changes(),
            rows: Arc::new(ledger),
            place: format!("PostgreSQL (secret:{})", secret.0),
            is_shared: true,
        })
    }

    /// Opens the ledger in a data folder.
    pub(crate) fn sqlite(
        data: &Path,
        by: OpenedBy,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let mut options = SqliteOptions {
            is_durable: durability == Durability::Full,
            ..SqliteOptions::default()
        };
        if by == OpenedBy::Node {
            options.node = node_name(data)?;
        }
        let file = ledger_file(data);
        let ledger = SqliteLedger::open(&file, options)
            .map_err(explain)
            .with_context(|| format!("opening the ledger {}", file.display()))?;
        Ok(Self {
            changes: ledger.changes(),
            rows: Arc::new(ledger),
            place: file.display().to_string(),
            is_shared: false,
        })
    }

    /// The ledger for whoever keeps it.
    pub(crate) fn rows(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.rows)
    }

    /// Counts up with every commit that may be work.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.changes.clone();
        changes.mark_unchanged();
        changes
    }

    /// Where it is, without anything secret.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// True if other nodes may work with it.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }
}

impl Deref for OpenLedger {
    type Target = dyn Ledger;

    fn deref(&self) -> &Self::Target {
        &*self.rows
    }
}

/// Where the ledger of a data folder is, if it is not a shared one.
pub(crate) fn ledger_file(data: &Path) -> PathBuf {
    data.join("ledger.sqlite")
}

/// The name of a data folder's node.
pub(super) fn node_name(data: &Path) -> anyhow::Result<NodeName> {
    NodeName::parse(files::node_id(data)?.trim()).map_err(explain)
}
