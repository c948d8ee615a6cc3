//! A node that runs.

use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::server::gateway::Gateway;
use crate::server::quaymaster::serve;
use crate::server::{stop, tail};

/// It ends with this value.
pub(crate) struct Node {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Node {
    pub(crate) fn start(binary: &Path, configuration: &Path, log: PathBuf) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("serve").arg("-c").arg(configuration);
        Gateway::introduce(&mut command);
        let (child, address) = serve(&mut command, &log)?;
        Ok(Self {
            child,
            port: address.port(),
            log,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the node has ended: {}", tail(&self.log));
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
