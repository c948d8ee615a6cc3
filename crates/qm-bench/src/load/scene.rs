//! A node with one bucket, one route and one table; it loads one file.

use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::file::{DECLARATION, Rows};
use crate::deliver::book::{Book, span};
use crate::deliver::node::Node;
use crate::measure::temporary_folder;
use crate::process::{Watch, resident_bytes};

/// What loading took.
pub(super) struct Loaded {
    pub(super) span: Duration,
    pub(super) cpu: Duration,
    /// The most that was held above what a node at rest holds.
    pub(super) memory_bytes: u64,
}

/// Loads the file once, by a new node, into the destination of these lines.
pub(super) fn load(
    binary: &Path,
    disk: &Path,
    rows: &Rows,
    destination: &str,
    secret: Option<&str>,
) -> Result<Loaded> {
    let folder = temporary_folder(disk)?;
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("bucket/in"))?;
    fs::create_dir(at("secrets"))?;
    if let Some(secret) = secret {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(at("secrets/db"))?;
        std::io::Write::write_all(&mut file, secret.as_bytes())?;
    }
    let configuration = at("quaymaster.toml");
    fs::write(&configuration, text(destination))?;
    let node = Node::start(binary, &configuration, at("node.log"))?;
    let process = node.process();
    let base = resident_bytes(process)?;
    let watch = Watch::start(process)?;
    fs::hard_link(&rows.path, at("bucket/in/rows.csv"))?;
    let book = Book::of_file(&at("data/ledger.sqlite"))?;
    let mut nodes = [node];
    book.wait(&mut nodes, |counts| counts.delivered == 1)?;
    let usage = watch.finish()?;
    let lives = book.lives()?;
    ensure!(lives.len() == 1, "{} deliveries of one file", lives.len());
    Ok(Loaded {
        span: span(&lives)?,
        cpu: usage.cpu,
        memory_bytes: usage.peak_memory_bytes.saturating_sub(base),
    })
}

fn text(destination: &str) -> String {
    format!(
        "[node]\ndata = \"data\"\nsecrets = \"secrets\"\n\n[listen.sftp]\naddress = \"127.0.0.1:0\"\n\n\
         [bucket.source]\nurl = \"file://bucket\"\nwatch = {{ every = \"1s\", settle = \"0s\" }}\n\n\
         [route.in]\nwhen = {{ arrives = \"source/in/*.csv\" }}\ndeliver = [\"rows\"]\n{DECLARATION}\n\
         [destination.rows]\n{destination}\ntable = \"rows\"\ndeclaration = \"rows\"\ncreate = true\n"
    )
}
