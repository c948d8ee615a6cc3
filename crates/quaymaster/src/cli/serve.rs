//! `quaymaster serve`

use clap::Args;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

use super::{DEFAULT_CONFIG, configuration};
use crate::node::{Durability, Node, NodeOptions};

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// The configuration; becomes the newest revision
    #[arg(short, long, value_name = "FILE", env = "QUAYMASTER_CONFIG", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Sync nothing: only to measure what durability costs. Loses files when the power goes
    #[arg(long, hide = true)]
    unsafe_no_sync: bool,
}

pub(crate) async fn run(options: ServeOptions) -> anyhow::Result<()> {
    let config = configuration::load(&options.config)?.config;
    let durability = if options.unsafe_no_sync {
        Durability::OffForComparison
    } else {
        Durability::Full
    };
    let node = Node::start(NodeOptions { config, durability }).await?;
    println!("listening on {}", node.sftp_address());
    stop_signal().await?;
    println!("stopping");
    node.stop().await
}

/// Ends when the node is asked to stop: Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
