//! Our server: one bucket, one account that may do everything, no routes.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::gateway::{Gateway, MAILBOX};
use super::{Equipment, READY_LIMIT, Server, Store, stop, tail};
use crate::client::Target;
use crate::plan::Contestant;

const ACCOUNT: &str = "bench";
/// What the node prints once it takes connections.
const READY: &str = "listening on ";

pub(super) fn start(
    contestant: Contestant,
    folder: &Path,
    equipment: &Equipment<'_>,
) -> Result<Server> {
    let binary = equipment.binary.context("our server is not there")?;
    let bucket = bucket_lines(contestant, folder, equipment.store)?;
    fs::create_dir_all(folder.join("data")).context("making the data folder")?;
    let configuration = folder.join("quaymaster.toml");
    fs::write(
        &configuration,
        configuration_text(folder, &bucket, &equipment.client_key.public_line),
    )?;
    let log = folder.join("quaymaster.log");
    let mut command = Command::new(binary);
    command.arg("serve").arg("-c").arg(&configuration);
    if contestant == Contestant::Unsynced {
        command.arg("--unsafe-no-sync");
    }
    Gateway::introduce(&mut command);
    let (child, address) = serve(&mut command, &log)?;
    Ok(Server {
        contestant,
        child,
        target: Target {
            user: ACCOUNT.to_owned(),
            port: address.port(),
            private_key_file: equipment.client_key.private_file.clone(),
        },
        remote_folder: "/".into(),
        objects: equipment
            .store
            .and_then(Store::gateway)
            .map(|gateway| gateway.folder(contestant)),
        idle_memory_bytes: 0,
    })
}

/// Starts a node and waits until it takes connections.
pub(crate) fn serve(command: &mut Command, log: &Path) -> Result<(Child, SocketAddr)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    match wait_until_ready(&mut child) {
        Ok(address) => Ok((child, address)),
        Err(error) => {
            stop(&mut child);
            Err(error.context(tail(log)))
        }
    }
}

/// Below the table of the bucket, and of its encryption key if it has one. The others keep nothing
/// that is overwritten; we would, until the memory is full of it.
fn bucket_lines(contestant: Contestant, folder: &Path, store: Option<&Store>) -> Result<String> {
    let place = if let Some(store) = store {
        store.lines(contestant)
    } else {
        fs::create_dir_all(folder.join("bucket").join(MAILBOX)).context("making the bucket")?;
        format!("url = \"file://{}/bucket\"\n", folder.display())
    };
    let bucket = format!("[bucket.bench]\n{place}keep_versions = 0\n");
    Ok(if contestant == Contestant::SealedOnS3 {
        format!(
            "[encryption_key.bench]\nprovider = \"file\"\n\n{bucket}encryption_key = \"bench\"\n"
        )
    } else {
        bucket
    })
}

fn configuration_text(folder: &Path, bucket: &str, public_key: &str) -> String {
    let folder = folder.display();
    format!(
        r#"[node]
data = "{folder}/data"

[listen.sftp]
address = "127.0.0.1:0"
connections_per_account_max = 1000

{bucket}
[partner.bench.account.{ACCOUNT}]
ssh_keys = ["{public_key}"]
mailbox = "bench/{MAILBOX}"
may = ["list", "read", "write", "overwrite", "delete", "rename", "mkdir"]
"#
    )
}

fn wait_until_ready(child: &mut Child) -> Result<SocketAddr> {
    let output = child.stdout.take().context("stdout was asked for")?;
    match addresses(output).recv_timeout(READY_LIMIT) {
        Ok(address) => Ok(address),
        Err(RecvTimeoutError::Timeout) => bail!("it did not say `{READY}ADDRESS` in time"),
        Err(RecvTimeoutError::Disconnected) => {
            bail!("it ended or closed its output before it said `{READY}ADDRESS`")
        }
    }
}

/// Reads to the end, so that a server that goes on printing never waits for us.
fn addresses(output: impl Read + Send + 'static) -> Receiver<SocketAddr> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = ready_address(&line) {
                // Only the first is waited for.
                let _ = sender.send(address);
            }
        }
    });
    receiver
}

pub(super) fn ready_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(READY)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyPair;

    #[test]
    fn the_ready_line() {
        for (line, expect) in [
            ("listening on 127.0.0.1:2022", Some("127.0.0.1:2022")),
            (
                "sftp: listening on 127.0.0.1:9 (SHA256:x)",
                Some("127.0.0.1:9"),
            ),
            ("listening on nothing", None),
            ("ready", None),
        ] {
            assert_eq!(
                ready_address(line),
                expect.map(|a| a.parse().unwrap()),
                "{line}"
            );
        }
    }

    #[test]
    fn a_server_that_ends_is_not_waited_for() {
        let receiver = addresses(&b"starting\nlistening on 127.0.0.1:7\nmore\n"[..]);
        assert_eq!(receiver.recv().unwrap().port(), 7);
        assert!(receiver.recv().is_err());
    }

    #[test]
    fn a_program_that_is_no_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair {
            private_file: folder.path().join("key"),
            public_line: "ssh-ed25519 AAAA bench".to_owned(),
        };
        let equipment = Equipment {
            binary: Some(Path::new("/bin/echo")),
            store: None,
            client_key: &key,
        };
        let started = start(Contestant::Durable, folder.path(), &equipment);
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains("before it said"), "{error}");
    }
}
