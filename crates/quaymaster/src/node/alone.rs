//! The part of a node that changes names, without fronts and engine: what a command works with
//! while no node runs. Whatever it does, the node finds as if it had done it itself.

use anyhow::{Context as _, bail};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::lock::DataLock;
use super::{
    Durability, OpenLedger, OpenedBy, Running, files, operator, recovered_intake, secret_stores,
};
use crate::cli::{self, configuration, explain};
use crate::system::SystemClock;
use qm_core::ports::mailbox::Mailboxes as _;
use qm_sftp::OperatorSession;

/// What may be under way between command and session.
const STREAM_BYTES: usize = 1024 * 1024;
/// How long the end of the last change may take to be recorded, and how often to look.
const SETTLE_WAIT: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// One operator's session in this process, and the parts it needs.
pub(crate) struct Alone {
    session: JoinHandle<()>,
    ledger: OpenLedger,
    _lock: DataLock,
}

/// A data folder is free, or a process has it.
pub(crate) enum Start {
    /// The session and its other end.
    Started(Alone, DuplexStream),
    /// Of this process.
    InUse(String),
}

impl Alone {
    /// Takes the data folder, completes what the last run left, and opens a session of the user
    /// that runs this program.
    pub(crate) async fn start(data: &Path, options: &cli::Ledger) -> anyhow::Result<Start> {
        if !data.exists() {
            bail!(
                "there is no data folder {} yet; start the node once with `quaymaster serve`",
                data.display()
            );
        }
        let uid = rustix::process::geteuid().as_raw();
        let owner = std::fs::metadata(data)?.uid();
        if owner != uid {
            let owner = operator::user_for_sudo(owner);
            bail!(
                "the node does not run, and its files belong to {owner}: files made by {} could not be used by \
                 it\n  help: start the node, or run this as its user: sudo -u '{owner}' quaymaster object …",
                operator::user_name(uid)
            );
        }
        let lock = match DataLock::try_take(data)? {
            Ok(lock) => lock,
            Err(process) => return Ok(Start::InUse(process)),
        };
        let ledger = options.open_by(OpenedBy::Node).await?;
        if ledger.is_shared() {
            bail!(
                "the ledger is shared by nodes, so only a running node may change objects\n  help: start the node of \
                 {}, or run this where one runs",
                data.display()
            );
        }
        let revision = ledger.revision().await.map_err(explain)?;
        let revision =
            revision.context("no configuration was applied yet; `quaymaster apply FILE`")?;
        let config = configuration::read(&revision)?;
        let config = match options.own_config()? {
            Some(own) => config.at_node(&own),
            None => config,
        };
        let secrets = Arc::new(secret_stores(&config)?);
        let node_id = files::node_id(data)?;
        let running = Running::new(
            revision.number,
            config,
            Durability::Full,
            secrets,
            ledger.rows(),
            node_id,
        )
        .await?;
        let intake = recovered_intake(&ledger, &Arc::new(running)).await?;
        let operator = operator::user_name(uid);
        let session = OperatorSession {
            mailbox: intake.open_operator(&operator).await.map_err(explain)?,
            operator,
            clock: Arc::new(SystemClock),
        };
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        let alone = Self {
            session: tokio::spawn(session.serve(theirs, std::future::pending())),
            ledger,
            _lock: lock,
        };
        Ok(Start::Started(alone, ours))
    }

    /// Ends, once the other end is closed, when nothing is left half done.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        self.session.await.context("the session failed")?;
        let settled = async {
            // The answer to a command does not wait for this row; the end of the program must.
            while !self.ledger.pending().await.map_err(explain)?.is_empty() {
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
            Ok(())
        };
        // What is not recorded by then is completed by the next start.
        tokio::time::timeout(SETTLE_WAIT, settled)
            .await
            .unwrap_or(Ok(()))
    }
}
