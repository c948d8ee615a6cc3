//! `PuTTY`'s psftp, with a key converted to `PuTTY`'s form.

use anyhow::{Context as _, Result};
use std::fs;

use super::client;
use crate::keys::KeyPair;
use crate::process::{Ran, quiet, run};
use crate::world::World;

impl World {
    /// psftp with a batch of commands, as the account with its key of the same name.
    pub fn psftp(&self, user: &str, batch: &str) -> Result<Ran> {
        self.psftp_with(user, &self.key(user)?, batch)
    }

    /// psftp with a key.
    pub fn psftp_with(&self, user: &str, key: &KeyPair, batch: &str) -> Result<Ran> {
        let file = self.path("psftp.batch");
        fs::write(&file, batch)?;
        let mut command = client(self, "psftp");
        command
            .args([
                "-batch",
                "-P",
                &self.address()?.port().to_string(),
                "-hostkey",
            ])
            .arg(self.host_fingerprint()?)
            .arg("-i")
            .arg(key.ppk()?)
            .arg("-b")
            .arg(&file)
            .arg(format!("{user}@127.0.0.1"));
        run(&mut command)
    }

    /// The node's host key, `SHA256:…`.
    pub fn host_fingerprint(&self) -> Result<String> {
        let mut command = quiet("ssh-keygen");
        command
            .arg("-lf")
            .arg(self.path("data").join("host_key_ed25519"));
        let printed = run(&mut command)?.ok()?.stdout;
        let word = printed
            .split_whitespace()
            .nth(1)
            .context("ssh-keygen prints a fingerprint")?;
        Ok(word.to_owned())
    }
}
