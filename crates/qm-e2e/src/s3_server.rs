//! S3 as versitygw speaks it: a real server of its own over a folder, so that what is stored can be
//! looked at as files.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use crate::mail_server::free_port;
use crate::process::{Background, quiet};
use crate::wait;

/// Where it collects the parts of uploads, within a bucket.
const UPLOADS: &str = ".sgwtmp/multipart";

/// An S3 server that takes requests.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    objects: PathBuf,
    _process: Background,
}

impl S3Server {
    /// Keeps its objects below `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let program = std::env::var_os("QM_TEST_VERSITYGW")
            .context("QM_TEST_VERSITYGW does not name an S3 server: run `cargo xtask test`")?;
        let (objects, metadata) = (folder.join("objects"), folder.join("metadata"));
        fs::create_dir_all(&objects)?;
        fs::create_dir_all(&metadata)?;
        let port = free_port()?;
        let credential = |name: &str| {
            std::env::var_os(name)
                .with_context(|| format!("{name} is not set: run `cargo xtask test`"))
        };
        let mut command = quiet(program);
        command
            .args(["--quiet", "--keep-alive"])
            .args(["--port", &format!("127.0.0.1:{port}"), "posix", "--sidecar"])
            .arg(&metadata)
            .arg(&objects)
            .env("ROOT_ACCESS_KEY_ID", credential("AWS_ACCESS_KEY_ID")?)
            .env(
                "ROOT_SECRET_ACCESS_KEY",
                credential("AWS_SECRET_ACCESS_KEY")?,
            );
        let mut process = Background::start(&mut command, folder, "versitygw")?;
        wait::until_true("the S3 server takes requests", || {
            if let Some(status) = process.ended()? {
                bail!("it ended with {status}\n{}", process.story());
            }
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(Self {
            port,
            objects,
            _process: process,
        })
    }

    /// Makes an empty bucket; its objects lie as files below the folder that is returned.
    pub fn make_bucket(&self, name: &str) -> Result<PathBuf> {
        let folder = self.objects.join(name);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `http://…`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many uploads in parts were begun and neither completed nor aborted.
    pub fn open_uploads(&self, bucket: &str) -> Result<usize> {
        let folder = self.objects.join(bucket).join(UPLOADS);
        let mut open = 0;
        let Ok(names) = fs::read_dir(&folder) else {
            // Nobody ever began one.
            return Ok(0);
        };
        // A folder for each name, and a folder in it for each upload under that name.
        for name in names {
            open += fs::read_dir(name?.path())?.count();
        }
        Ok(open)
    }
}
