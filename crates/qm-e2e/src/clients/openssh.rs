//! OpenSSH's `sftp` and `scp`.

use anyhow::Result;
use std::fs;
use std::process::Command;

use super::client;
use crate::keys::KeyPair;
use crate::process::{Background, Ran, run, run_with_input};
use crate::world::{HOST_ALIAS, World};

impl World {
    /// `sftp` with a batch of commands, as the account with its key of the same name. It stops at
    /// the first command that fails.
    pub fn sftp(&self, user: &str, batch: &str) -> Result<Ran> {
        self.sftp_with(user, &self.key(user)?, batch)
    }

    /// `sftp` with a key.
    pub fn sftp_with(&self, user: &str, key: &KeyPair, batch: &str) -> Result<Ran> {
        let mut command = self.openssh("sftp", key)?;
        command.args(["-b", "-"]).arg(format!("{user}@127.0.0.1"));
        run_with_input(&mut command, batch)
    }

    /// `sftp` with a batch of commands, beside the test.
    pub fn sftp_beside(&self, user: &str, batch: &str) -> Result<Background> {
        let file = self.path("batch");
        fs::write(&file, batch)?;
        let mut command = self.openssh("sftp", &self.key(user)?)?;
        command
            .arg("-b")
            .arg(&file)
            .arg(format!("{user}@127.0.0.1"));
        Background::start(&mut command, &self.path("logs"), "sftp")
    }

    /// `scp` as the account; `arguments` name what and where, remote ones as `remote:PATH`.
    pub fn scp(&self, user: &str, arguments: &[&str]) -> Result<Ran> {
        let mut command = self.openssh("scp", &self.key(user)?)?;
        let host = format!("{user}@127.0.0.1:");
        command.args(
            arguments
                .iter()
                .map(|argument| match argument.strip_prefix("remote:") {
                    Some(path) => format!("{host}{path}"),
                    None => (*argument).to_owned(),
                }),
        );
        run(&mut command)
    }

    fn openssh(&self, program: &str, key: &KeyPair) -> Result<Command> {
        let mut command = client(self, program);
        command
            .args(["-P", &self.address()?.port().to_string(), "-i"])
            .arg(&key.private_file);
        command.args(self.openssh_options());
        Ok(command)
    }

    /// Nothing of the user's own configuration, no other key, no other host.
    pub(super) fn openssh_options(&self) -> Vec<String> {
        let known_hosts = format!("UserKnownHostsFile={}", self.known_hosts().display());
        let alias = format!("HostKeyAlias={HOST_ALIAS}");
        let options = [
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=none",
            "ConnectTimeout=30",
            &known_hosts,
            &alias,
        ];
        let options = options
            .iter()
            .flat_map(|option| ["-o".to_owned(), (*option).to_owned()]);
        ["-F".to_owned(), "none".to_owned()]
            .into_iter()
            .chain(options)
            .collect()
    }
}
