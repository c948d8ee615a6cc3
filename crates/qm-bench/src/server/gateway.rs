//! The S3 server that all contestants write into: versitygw over a folder, a process of its own
//! whose cost is nobody's.

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{POLL_PAUSE, READY_LIMIT, free_port, stop, tail};
use crate::plan::Contestant;

/// The bucket; every contestant has a prefix of its own in it.
pub(crate) const BUCKET: &str = "bench";
pub(crate) const REGION: &str = "us-east-1";
/// Of no worth: the server listens on loopback and goes with the run.
const ACCESS_KEY: &str = "bench";
const SECRET_KEY: &str = "only for this run";

/// Of our account, below the prefix.
pub(crate) const MAILBOX: &str = "mailbox";

/// Each contestant's own, within the bucket.
pub(super) fn prefix(contestant: Contestant) -> String {
    format!("{contestant:?}").to_lowercase()
}

/// A contestant's own as the table of a bucket has it, on the server at an endpoint.
pub(super) fn lines(endpoint: &str, contestant: Contestant) -> String {
    let prefix = prefix(contestant);
    format!("url = \"s3://{BUCKET}/{prefix}\"\nregion = \"{REGION}\"\nendpoint = \"{endpoint}\"\n")
}

/// An S3 server that takes requests; it ends with this value.
pub(crate) struct Gateway {
    child: Child,
    port: u16,
    objects: PathBuf,
}

impl Gateway {
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let objects = folder.join("objects");
        let sidecar = folder.join("metadata");
        fs::create_dir_all(objects.join(BUCKET)).context("making the S3 server's folder")?;
        fs::create_dir_all(&sidecar)?;
        let port = free_port()?;
        let log = folder.join("versitygw.log");
        let mut child = Command::new(program)
            .args(["--quiet", "--keep-alive", "--region", REGION])
            .args(["--port", &format!("127.0.0.1:{port}"), "posix"])
            // Not every tmpfs has extended attributes.
            .arg("--sidecar")
            .arg(&sidecar)
            .arg(&objects)
            .env("ROOT_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        match wait_until_ready(&mut child, port) {
            Ok(()) => Ok(Self {
                child,
                port,
                objects,
            }),
            Err(error) => {
                stop(&mut child);
                Err(error.context(tail(&log)))
            }
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A contestant's own as the table of a bucket has it.
    pub(crate) fn lines(&self, contestant: Contestant) -> String {
        lines(&self.endpoint(), contestant)
    }

    /// Where the objects that a contestant's clients see lie as files.
    pub(crate) fn folder(&self, contestant: Contestant) -> PathBuf {
        let mailbox = if contestant.is_foreign() { "" } else { MAILBOX };
        self.objects
            .join(BUCKET)
            .join(prefix(contestant))
            .join(mailbox)
    }

    /// A contestant is known by this and by nothing of whoever runs it.
    pub(crate) fn introduce(command: &mut Command) {
        for variable in [
            "AWS_CA_BUNDLE",
            "AWS_ENDPOINT_URL",
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
        ] {
            command.env_remove(variable);
        }
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn wait_until_ready(child: &mut Child, port: u16) -> Result<()> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the S3 server ended ({status})");
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the S3 server did not come up");
        std::thread::sleep(POLL_PAUSE);
    }
}
