//! Files that go out by SFTP, beside OpenSSH's `sftp put` to the same server. It keeps its files in
//! memory, and so does the bucket; the ledger is on a disk.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use super::Options;
use super::book::span;
use super::configuration::{Destination, Place};
use super::scene::{Bucket, Keeper, Scene, ensure_delivered, name};
use super::table::{Table, middle};
use crate::bars::{Bar, Verdict};
use crate::client::Target;
use crate::files;
use crate::keys::KeyPair;
use crate::measure::{TMPFS, put, temporary_folder};
use crate::plan::{Cipher, Contestant, SMALL_FILE_BYTES};
use crate::report::to_float;
use crate::server::gateway::MAILBOX;
use crate::server::{Equipment, Server};

/// What OpenSSH's client and server agree on when nobody asks for anything, and what our connector
/// and that server do.
const CIPHERS: [(Cipher, &str); 2] = [
    (Cipher::ChaCha20, "its own cipher"),
    (Cipher::Aes256Gcm, "our cipher"),
];

/// A server of a partner, and whoever may log in there.
pub(super) struct Partner {
    folder: TempDir,
    server: Server,
    host_key: String,
    pub(super) login: KeyPair,
}

/// So many files of a size, by so many at a time.
struct Load {
    what: &'static str,
    file: PathBuf,
    count: u32,
    concurrency: Option<u32>,
    bar: Bar,
}

impl Partner {
    pub(super) fn start() -> Result<Self> {
        let folder = temporary_folder(Path::new(TMPFS))?;
        let login = KeyPair::generate(&folder.path().join("login"))?;
        let equipment = Equipment {
            binary: None,
            store: None,
            client_key: &login,
        };
        let server = Server::start(Contestant::OpenSsh, folder.path(), &equipment)?;
        let host_key = fs::read_to_string(folder.path().join("host_key.pub"))
            .context("reading the server's host key")?;
        Ok(Self {
            folder,
            server,
            host_key: host_key.trim().to_owned(),
            login,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.server.target.port
    }

    /// A folder of the server as a destination, over that port.
    pub(super) fn destination(
        &self,
        folder: &str,
        port: u16,
        concurrency: Option<u32>,
    ) -> Destination {
        Destination {
            name: "partner".to_owned(),
            place: Place::Sftp {
                port,
                user: self.server.target.user.clone(),
                host_key: self.host_key.clone(),
                folder: self.files(folder),
            },
            concurrency,
        }
    }

    /// How long OpenSSH's client takes over that port.
    pub(super) fn by_openssh(
        &self,
        file: &Path,
        count: u32,
        port: u16,
        cipher: Cipher,
    ) -> Result<Duration> {
        let folder = self.files("theirs");
        fs::create_dir(&folder)?;
        let batch: String = (0..count)
            .map(|number| put(file, &folder.join(name(number))))
            .collect();
        let target = Target {
            port,
            ..self.server.target.clone()
        };
        let begin = Instant::now();
        target.run(cipher, &batch)?;
        let time = begin.elapsed();
        ensure_delivered(file, &folder, count)?;
        fs::remove_dir_all(folder)?;
        Ok(time)
    }

    /// Where that folder is.
    pub(super) fn files(&self, folder: &str) -> PathBuf {
        self.server.remote_folder.join(folder)
    }
}

pub(super) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let partner = Partner::start()?;
    let amount = options.amount;
    let [bulk, small] = ["bulk", "small"].map(|name| partner.folder.path().join(name));
    files::fill(&bulk, amount.bulk_bytes)?;
    files::fill(&small, SMALL_FILE_BYTES)?;
    let loads = [
        Load {
            what: "push of one large file",
            file: bulk,
            count: 1,
            concurrency: None,
            bar: Bar::AtLeast(1.5),
        },
        Load {
            what: "push of small files, 4 at a time",
            file: small.clone(),
            count: amount.small_files,
            concurrency: None,
            bar: Bar::AtLeast(5.0),
        },
        Load {
            what: "push of small files, 16 at a time",
            file: small,
            count: amount.small_files,
            concurrency: Some(16),
            bar: Bar::AtLeast(5.0),
        },
    ];
    for load in &loads {
        one(options, &partner, load, table).with_context(|| load.what)?;
    }
    Ok(())
}

/// Turn by turn, so that what else the machine does is everybody's.
fn one(options: &Options, partner: &Partner, load: &Load, table: &mut Table) -> Result<()> {
    let mut ours = Vec::new();
    let mut theirs = CIPHERS.map(|_| Vec::new());
    for _ in 0..options.amount.rounds {
        for ((cipher, _), times) in CIPHERS.iter().zip(&mut theirs) {
            times.push(partner.by_openssh(&load.file, load.count, partner.port(), *cipher)?);
        }
        if let Some(binary) = &options.server {
            ours.push(by_us(options, binary, partner, load)?);
        }
    }
    let bytes = fs::metadata(&load.file)?.len() * u64::from(load.count);
    for ((_, of_whom), times) in CIPHERS.iter().zip(theirs) {
        let theirs = middle(times);
        if ours.is_empty() {
            eprintln!(
                "{}, OpenSSH by {of_whom}: {}",
                load.what,
                spoken(theirs, bytes)
            );
            continue;
        }
        let ours = middle(ours.clone());
        table.add(
            spoken(ours, bytes),
            format!("OpenSSH, {}", spoken(theirs, bytes)),
            Verdict {
                what: format!("{}, OpenSSH by {of_whom}", load.what),
                measured: theirs.as_secs_f64() / ours.as_secs_f64(),
                unit: "",
                bar: load.bar,
            },
        );
    }
    Ok(())
}

/// From the first attempt's beginning to the last one's end.
fn by_us(options: &Options, binary: &Path, partner: &Partner, load: &Load) -> Result<Duration> {
    let bucket = Bucket::in_folder(Path::new(TMPFS))?;
    let login = Some(&partner.login);
    let scene = Scene::set(binary, Keeper::Sqlite, &options.disk, bucket, login)?;
    let destinations = [partner.destination("ours", partner.port(), load.concurrency)];
    scene.gather(&load.file, load.count, &destinations)?;
    scene.deliver(&["one"], &destinations)?;
    let lives = scene.book()?.lives()?;
    let folder = partner.files("ours").join(MAILBOX);
    ensure_delivered(&load.file, &folder, load.count)?;
    fs::remove_dir_all(partner.files("ours"))?;
    span(&lives)
}

fn spoken(time: Duration, bytes: u64) -> String {
    let rate = to_float(bytes) / to_float(1 << 20) / time.as_secs_f64();
    format!("{:.2} s ({rate:.1} MiB/s)", time.as_secs_f64())
}
