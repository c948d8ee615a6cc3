//! Debian's `rclone serve sftp` over the S3 bucket.

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::gateway::{BUCKET, Gateway, REGION, prefix};
use super::quaymaster::ready_address;
use super::{POLL_PAUSE, READY_LIMIT, Server, stop, tail};
use crate::client::Target;
use crate::keys::KeyPair;
use crate::plan::Contestant;

pub(super) fn start(folder: &Path, client_key: &KeyPair, gateway: &Gateway) -> Result<Server> {
    let host_key = KeyPair::generate(&folder.join("host_key"))?;
    let authorized = folder.join("authorized_keys");
    fs::write(&authorized, format!("{}\n", client_key.public_line))?;
    let log = folder.join("rclone.log");
    let place = format!(":s3:{BUCKET}/{}", prefix(Contestant::Rclone));
    let mut command = Command::new("rclone");
    command
        .args(["serve", "sftp", &place])
        .args(["--addr", "127.0.0.1:0", "--config", "/dev/null"])
        .args(["--s3-provider", "Other", "--s3-env-auth"])
        .args(["--s3-region", REGION, "--s3-endpoint", &gateway.endpoint()])
        // Else it waits a second a part for an answer that this S3 server gives with the body.
        .args(["--expect-continue-timeout", "0"])
        .arg("--authorized-keys")
        .arg(&authorized)
        .arg("--key")
        .arg(&host_key.private_file)
        .env("XDG_CACHE_HOME", folder);
    Gateway::introduce(&mut command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .context("starting rclone")?;
    match wait_until_ready(&mut child, &log) {
        Ok(address) => Ok(Server {
            contestant: Contestant::Rclone,
            child,
            target: Target {
                user: "bench".to_owned(),
                port: address.port(),
                private_key_file: client_key.private_file.clone(),
            },
            remote_folder: "/".into(),
            objects: Some(gateway.folder(Contestant::Rclone)),
            idle_memory_bytes: 0,
        }),
        Err(error) => {
            stop(&mut child);
            Err(error.context(tail(&log)))
        }
    }
}

fn wait_until_ready(child: &mut Child, log: &Path) -> Result<SocketAddr> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let said = fs::read_to_string(log)?;
        if let Some(address) = said.lines().find_map(ready_address) {
            return Ok(address);
        }
        if let Some(status) = child.try_wait()? {
            bail!("rclone ended ({status})");
        }
        ensure!(Instant::now() < deadline, "rclone did not come up");
        std::thread::sleep(POLL_PAUSE);
    }
}
