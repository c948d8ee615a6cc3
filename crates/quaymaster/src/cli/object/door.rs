//! The way to the objects: the running node, or the same parts in this process.

use anyhow::{Context as _, bail};
use std::time::Duration;
use tokio::time::Instant;

use crate::cli::{Ledger, explain};
use crate::node::{Alone, Start, connect_operator};
use qm_sftp::client::Client;

/// A node that starts or stops, and another command that works without one, are waited for.
const IN_USE_WAIT: Duration = Duration::from_secs(10);
const IN_USE_PAUSE: Duration = Duration::from_millis(100);

/// Who does what is asked.
pub(crate) enum Door {
    /// The running node.
    Node,
    /// This process.
    Alone(Alone),
}

impl Door {
    /// Opens a session.
    pub(crate) async fn enter(ledger: &Ledger) -> anyhow::Result<(Client, Self)> {
        let data = ledger.data_folder()?;
        let deadline = Instant::now() + IN_USE_WAIT;
        loop {
            if let Some(stream) = connect_operator(&data).await? {
                let client = Client::open(stream).await.map_err(explain);
                let client = client.context(
                    "the node did not let this command in (only root and the node's own user are operators)",
                )?;
                return Ok((client, Self::Node));
            }
            match Alone::start(&data, ledger).await? {
                Start::Started(alone, stream) => {
                    let client = Client::open(stream).await.map_err(explain)?;
                    return Ok((client, Self::Alone(alone)));
                }
                Start::InUse(process) if Instant::now() > deadline => bail!(
                    "process {process} uses the data folder {} and takes no commands\n  help: `quaymaster status` \
                     tells whether the node is alive; try again when it has started",
                    data.display()
                ),
                Start::InUse(_) => tokio::time::sleep(IN_USE_PAUSE).await,
            }
        }
    }

    /// Returns when nothing of the session is left. The client is dropped before.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        match self {
            Self::Node => Ok(()),
            Self::Alone(alone) => alone.finish().await,
        }
    }
}
