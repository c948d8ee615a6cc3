//! OpenSSH's `sftp`, driven by batches.

use anyhow::{Context, Result, bail};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bare_session::BareSession;
use crate::plan::Cipher;

/// What `sftp` ends with when its connection ends.
const NOT_CONNECTED: i32 = 255;

/// How often a session comes that is dropped at the door.
const TRIES: u32 = 3;

/// How to reach a server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) user: String,
    pub(crate) port: u16,
    pub(crate) private_key_file: PathBuf,
}

/// A session that is running.
pub(crate) struct Session {
    child: Child,
}

impl Target {
    /// One session that runs the batch; an error of any command ends it and is ours.
    pub(crate) fn run(&self, cipher: Cipher, batch: &str) -> Result<()> {
        self.start(cipher, 0, batch)?.finish()
    }

    /// Starts a session. Each index comes from its own address, as each partner would: limits by
    /// source are not what is measured.
    pub(crate) fn start(&self, cipher: Cipher, index: u32, batch: &str) -> Result<Session> {
        let mut child = Command::new("sftp")
            .args(["-q", "-F", "none", "-b", "-"])
            .args(self.arguments(cipher, index))
            .arg(format!("{}@127.0.0.1", self.user))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting sftp")?;
        let mut input = child.stdin.take().context("stdin was asked for")?;
        if let Err(error) = input.write_all(batch.as_bytes()) {
            // It has ended already; its own words say more than a broken pipe.
            drop(input);
            Session { child }.finish()?;
            return Err(error).context("sending the batch to sftp");
        }
        Ok(Session { child })
    }

    /// A session in which requests are written by hand.
    pub(crate) fn start_bare(&self, cipher: Cipher, index: u32) -> Result<BareSession> {
        let mut child = Command::new("ssh")
            .args(["-F", "none", "-s"])
            .args(self.arguments(cipher, index))
            .arg(format!("{}@127.0.0.1", self.user))
            .arg("sftp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting ssh")?;
        let input = child.stdin.take().context("stdin was asked for")?;
        let output = child.stdout.take().context("stdout was asked for")?;
        BareSession::begin(child, input, BufReader::new(output))
    }

    fn arguments(&self, cipher: Cipher, index: u32) -> Vec<String> {
        let address = index % 250 + 2;
        [
            format!("Port={}", self.port),
            format!("BindAddress=127.0.0.{address}"),
            format!("Ciphers={}", cipher.ssh_name()),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            format!("IdentityFile={}", self.private_key_file.display()),
            "LogLevel=ERROR".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
        ]
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option])
        .collect()
    }
}

/// How a session ended.
enum Ended {
    Well,
    /// Nobody let it in: of many who come at once a server may drop some.
    AtTheDoor(String),
}

impl Session {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Result<()> {
        match self.ended()? {
            Ended::Well => Ok(()),
            Ended::AtTheDoor(why) => bail!("sftp failed: {why}"),
        }
    }

    /// Waits for its end.
    fn ended(self) -> Result<Ended> {
        let output = self.child.wait_with_output().context("waiting for sftp")?;
        if output.status.success() {
            return Ok(Ended::Well);
        }
        let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.code() == Some(NOT_CONNECTED) && errors.starts_with("Connection closed") {
            return Ok(Ended::AtTheDoor(errors));
        }
        bail!("sftp failed ({}): {errors}", output.status);
    }
}

/// Who is dropped at the door comes again, as a partner's program does.
pub(crate) fn run_at_once(target: &Target, batches: &[String]) -> Result<()> {
    let mut waiting: Vec<(u32, &String)> = (0..).zip(batches).collect();
    for _ in 0..TRIES {
        let sessions: Vec<_> = waiting
            .iter()
            .map(|(index, batch)| target.start(Cipher::Aes128Gcm, *index, batch))
            .collect();
        // All are waited for before the first error is told: none may run into the next measurement.
        let ended: Vec<Result<Ended>> = sessions
            .into_iter()
            .map(|session| session.and_then(Session::ended))
            .collect();
        let mut dropped = Vec::new();
        for (ended, session) in ended.into_iter().zip(waiting) {
            if let Ended::AtTheDoor(_) = ended? {
                dropped.push(session);
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        eprintln!("{} of {} come again", dropped.len(), batches.len());
        waiting = dropped;
    }
    bail!("{} sessions were not let in", waiting.len());
}

/// A path as a batch wants it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_take_any_path() {
        assert_eq!(quoted(Path::new("/a b")), "\"/a b\"");
        assert_eq!(quoted(Path::new("/a\"b\\")), "\"/a\\\"b\\\\\"");
    }

    #[test]
    fn sessions_have_addresses_of_their_own() {
        let target = Target {
            user: "x".to_owned(),
            port: 1,
            private_key_file: "/k".into(),
        };
        let address = |index| {
            target
                .arguments(Cipher::ChaCha20, index)
                .into_iter()
                .find(|a| a.starts_with("BindAddress="))
                .unwrap()
        };
        assert_eq!(address(0), "BindAddress=127.0.0.2");
        assert_eq!(address(15), "BindAddress=127.0.0.17");
        assert_eq!(address(250), "BindAddress=127.0.0.2");
    }
}
