//! The real binary, serving.

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::process::{Background, quiet};

/// What the node prints once it takes connections.
const READY: &str = "listening on ";
/// Sessions get time to end, and deliveries to be finished.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// Where the binary is: named by the environment, else beside the running test.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("QUAYMASTER") {
        return Ok(named.into());
    }
    let test = std::env::current_exe().context("finding the running test")?;
    let found = test
        .ancestors()
        .map(|folder| folder.join("quaymaster"))
        .find(|file| file.is_file());
    found.context("there is no binary `quaymaster` beside the tests: run `cargo xtask test`")
}

/// A node that takes connections.
#[derive(Debug)]
pub struct Node {
    process: Background,
    address: SocketAddr,
}

impl Node {
    /// Starts it on a configuration; ready when it returns. An error has all it said.
    pub fn start(
        configuration: &Path,
        folder: &Path,
        name: &str,
        environment: &[(&'static str, String)],
    ) -> Result<Self> {
        let mut command = quiet(binary()?);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("serve").arg("-c").arg(configuration);
        Self::listening(Background::start(&mut command, folder, name)?)
    }

    /// One that was started in another way; ready when it returns.
    pub fn listening(mut process: Background) -> Result<Self> {
        let address = process.wait_for("the node listens", |said| {
            let (_, rest) = said.split_once(READY)?;
            let (address, _) = rest.split_once('\n')?;
            address.trim().parse().ok()
        })?;
        Ok(Self { process, address })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Background {
        &mut self.process
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let status: ExitStatus = self.process.wait_within(STOP_LIMIT)?;
        if !status.success() {
            bail!(
                "the node did not stop well: {status}\n{}",
                self.process.story()
            );
        }
        Ok(())
    }

    /// Ends it at once.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }
}
