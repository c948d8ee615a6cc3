//! A partner's machine with `OpenSSH` on it.

use russh::keys::ssh_key::LineEnding;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

use crate::house::{House, USER, new_key};

/// A client's machine: a folder with a key.
pub(crate) struct Machine {
    folder: TempDir,
    port: u16,
}

impl Machine {
    /// With a key made by `ssh-keygen`, which the house allows.
    pub(crate) fn allowed(house: &House, kind: &str) -> Self {
        let client = Self {
            folder: TempDir::new().unwrap(),
            port: house.address.port(),
        };
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-t", kind, "-f"])
            .arg(client.path("key"))
            .status()
            .unwrap();
        assert!(made.success());
        house.allow(&fs::read_to_string(client.path("key.pub")).unwrap());
        client
    }

    /// With a key that nobody knows.
    pub(crate) fn stranger(house: &House) -> Self {
        let client = Self {
            folder: TempDir::new().unwrap(),
            port: house.address.port(),
        };
        let pem = new_key().to_openssh(LineEnding::LF).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(client.path("key"))
            .unwrap()
            .write_all(pem.as_bytes())
            .unwrap();
        client
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .args(["-F", "/dev/null", "-i", "key"])
            .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .arg(if program == "ssh" { "-p" } else { "-P" })
            .arg(self.port.to_string());
        command
    }

    /// Runs `sftp` with a batch.
    pub(crate) async fn sftp(&self, batch: &str) -> Output {
        self.put("batch", batch);
        let mut command = self.command("sftp");
        command
            .args(["-b", "batch"])
            .arg(format!("{USER}@127.0.0.1"));
        run(command).await
    }

    pub(crate) async fn scp(&self, arguments: &[&str]) -> Output {
        let mut command = self.command("scp");
        command.args(arguments);
        run(command).await
    }
}

pub(crate) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
        .await
        .unwrap()
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn content(size: u32) -> Vec<u8> {
    (0..size).map(|i| (i % 249) as u8).collect()
}
