//! Key pairs for this run, made by OpenSSH and gone with the run's folder.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An Ed25519 key pair.
pub(crate) struct KeyPair {
    /// The file with the private half.
    pub(crate) private_file: PathBuf,
    /// The public half, as one line.
    pub(crate) public_line: String,
}

impl KeyPair {
    pub(crate) fn generate(file: &Path) -> Result<Self> {
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"])
            .arg(file)
            .status()
            .context("starting ssh-keygen")?;
        ensure!(status.success(), "ssh-keygen failed ({status})");
        let public_line = std::fs::read_to_string(file.with_extension("pub"))
            .context("reading the public key")?
            .trim()
            .to_owned();
        Ok(Self {
            private_file: file.to_owned(),
            public_line,
        })
    }
}
