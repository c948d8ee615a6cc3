//! Key pairs as partners make them: with `ssh-keygen`, and with `puttygen` from those.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{quiet, run};

/// The kinds of key that partners have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA with 3072 bits, as `ssh-keygen` makes it.
    Rsa,
}

/// A key pair in a folder.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The file with the private key.
    pub private_file: PathBuf,
    /// The public key in one line.
    pub public_line: String,
}

impl KeyPair {
    /// Makes one in `folder` under `name`.
    pub fn generate(folder: &Path, name: &str, algorithm: Algorithm) -> Result<Self> {
        let private_file = folder.join(name);
        let kind = match algorithm {
            Algorithm::Ecdsa => "ecdsa",
            Algorithm::Ed25519 => "ed25519",
            Algorithm::Rsa => "rsa",
        };
        let mut command = quiet("ssh-keygen");
        command
            .args(["-q", "-t", kind, "-N", "", "-C", name, "-f"])
            .arg(&private_file);
        run(&mut command)?.ok()?;
        let public = fs::read_to_string(private_file.with_extension("pub"))?;
        Ok(Self {
            private_file,
            public_line: public.trim().to_owned(),
        })
    }

    /// The private key in `PuTTY`'s form.
    pub fn ppk(&self) -> Result<PathBuf> {
        let file = self.private_file.with_extension("ppk");
        if !file.exists() {
            let mut command = quiet("puttygen");
            command
                .arg(&self.private_file)
                .args(["-O", "private", "-o"])
                .arg(&file);
            run(&mut command)?.ok()?;
        }
        Ok(file)
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> Result<String> {
        let mut command = quiet("ssh-keygen");
        command
            .arg("-lf")
            .arg(self.private_file.with_extension("pub"));
        let printed = run(&mut command)?.ok()?.stdout;
        let word = printed
            .split_whitespace()
            .nth(1)
            .context("ssh-keygen prints a fingerprint")?;
        Ok(word.to_owned())
    }
}
