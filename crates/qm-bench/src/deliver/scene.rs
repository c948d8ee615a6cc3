//! What a measurement is made of: a bucket with files, a ledger, and nodes.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

use super::book::{Book, Counts};
use super::configuration::{ACCOUNT, Configuration, Destination, HOST_KEY, LEDGER, LOGIN, Phase};
use super::node::Node;
use super::postgres::Cluster;
use crate::client::Target;
use crate::files;
use crate::keys::KeyPair;
use crate::measure::{TMPFS, put, temporary_folder};
use crate::plan::{Cipher, Contestant};
use crate::server::gateway::{Gateway, MAILBOX};

/// Who keeps the ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keeper {
    Sqlite,
    Postgres,
}

impl Keeper {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Where the files lie that are to be delivered.
pub(super) enum Bucket {
    /// In a folder, on a disk or in memory.
    Folder(TempDir),
    /// At an S3 server, which every node sees; it keeps its files in the folder.
    S3 { server: Gateway, _folder: TempDir },
}

impl Bucket {
    pub(super) fn in_folder(parent: &Path) -> Result<Self> {
        Ok(Self::Folder(temporary_folder(parent)?))
    }

    pub(super) fn on_s3(program: &Path) -> Result<Self> {
        let folder = temporary_folder(Path::new(TMPFS))?;
        Ok(Self::S3 {
            server: Gateway::start(program, folder.path())?,
            _folder: folder,
        })
    }

    /// Where whatever is put is a file of the bucket.
    fn files(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path().join(MAILBOX),
            Self::S3 { server, .. } => server.folder(Contestant::OnS3),
        }
    }

    fn lines(&self) -> String {
        match self {
            // `shared` is asked for beside a ledger that nodes share; here one node is all there are.
            Self::Folder(folder) => {
                format!(
                    "url = \"file://{}\"\nshared = true\n",
                    folder.path().display()
                )
            }
            Self::S3 { server, .. } => server.lines(Contestant::OnS3),
        }
    }
}

/// Everything but the destinations; gone with this value.
pub(super) struct Scene {
    binary: PathBuf,
    /// On a disk: what nodes keep.
    folder: TempDir,
    bucket: Bucket,
    database: Option<Cluster>,
    client_key: KeyPair,
}

impl Scene {
    /// `login` is the private key that opens destinations.
    pub(super) fn set(
        binary: &Path,
        keeper: Keeper,
        disk: &Path,
        bucket: Bucket,
        login: Option<&KeyPair>,
    ) -> Result<Self> {
        let folder = temporary_folder(disk)?;
        let secrets = folder.path().join("secrets");
        fs::create_dir(&secrets)?;
        let client_key = KeyPair::generate(&folder.path().join("client"))?;
        if let Some(login) = login {
            keep_secret(&secrets.join(LOGIN), &fs::read(&login.private_file)?)?;
        }
        let database = match keeper {
            Keeper::Sqlite => None,
            Keeper::Postgres => Some(Cluster::start(disk)?),
        };
        if let Some(database) = &database {
            KeyPair::generate(&secrets.join(HOST_KEY))?;
            keep_secret(&secrets.join(LEDGER), database.connection().as_bytes())?;
        }
        fs::create_dir_all(bucket.files())?;
        Ok(Self {
            binary: binary.to_owned(),
            folder,
            bucket,
            database,
            client_key,
        })
    }

    /// A folder beside the bucket.
    pub(super) fn beside(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts a node, and says where its log is if it does not come up.
    pub(super) fn start(
        &self,
        node: &str,
        phase: Phase,
        destinations: &[Destination],
    ) -> Result<Node> {
        let own = self.beside(node)?;
        let data = own.join("data");
        fs::create_dir_all(&data)?;
        let configuration = Configuration {
            data,
            bucket: &self.bucket.lines(),
            secrets: &self.folder.path().join("secrets"),
            is_shared: self.database.is_some(),
            public_key: &self.client_key.public_line,
            destinations,
            phase,
        };
        let file = own.join("quaymaster.toml");
        fs::write(&file, configuration.text())?;
        Node::start(&self.binary, &file, own.join("quaymaster.log"))
            .with_context(|| format!("starting node {node}"))
    }

    /// So many copies of a file come into the bucket, and a node makes their deliveries, which wait
    /// when this returns: applications put them into a folder, clients send them to S3.
    pub(super) fn gather(
        &self,
        file: &Path,
        count: u32,
        destinations: &[Destination],
    ) -> Result<()> {
        let is_found = match &self.bucket {
            Bucket::Folder(_) => true,
            Bucket::S3 { .. } => false,
        };
        for number in (0..count).take_while(|_| is_found) {
            fs::copy(file, self.bucket.files().join(name(number)))
                .with_context(|| format!("copying {}", file.display()))?;
        }
        let node = self.start("one", Phase::Gather, destinations)?;
        if !is_found {
            let batch: String = (0..count)
                .map(|number| put(file, Path::new(&name(number))))
                .collect();
            self.front(&node).run(Cipher::Aes128Gcm, &batch)?;
        }
        let deliveries = u64::from(count) * u64::try_from(destinations.len())?;
        let book = self.book()?;
        let counts = book.wait(&mut [node], |counts| counts.waiting >= deliveries)?;
        ensure!(
            counts.waiting == deliveries,
            "{counts:?} instead of {deliveries}"
        );
        Ok(())
    }

    /// Nodes deliver everything that waits.
    pub(super) fn deliver(&self, nodes: &[&str], destinations: &[Destination]) -> Result<Counts> {
        let mut nodes = nodes
            .iter()
            .map(|node| self.start(node, Phase::Deliver, destinations))
            .collect::<Result<Vec<Node>>>()?;
        self.book()?
            .wait(&mut nodes, |counts| counts.waiting + counts.running == 0)
    }

    /// The ledger; of a file only once a node has made it.
    pub(super) fn book(&self) -> Result<Book> {
        match &self.database {
            Some(database) => Book::of_database(database.connection()),
            None => Book::of_file(&self.folder.path().join("one/data/ledger.sqlite")),
        }
    }

    /// How much of the disk the ledger takes.
    pub(super) fn ledger_bytes(&self) -> Result<u64> {
        if let Some(database) = &self.database {
            return size_bytes(&database.data_folder());
        }
        let data = self.folder.path().join("one/data");
        ["ledger.sqlite", "ledger.sqlite-wal"]
            .into_iter()
            .map(|file| size_bytes(&data.join(file)))
            .sum()
    }

    /// Where whoever uploads logs in.
    pub(super) fn front(&self, node: &Node) -> Target {
        Target {
            user: ACCOUNT.to_owned(),
            port: node.port,
            private_key_file: self.client_key.private_file.clone(),
        }
    }
}

/// What is at a destination is what was in the bucket.
pub(super) fn ensure_delivered(file: &Path, folder: &Path, count: u32) -> Result<()> {
    let found = fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .count();
    ensure!(
        found == usize::try_from(count)?,
        "{found} names instead of {count}"
    );
    [0, count / 2, count - 1]
        .into_iter()
        .try_for_each(|number| files::ensure_same(file, &folder.join(name(number))))
}

/// The name of a file in the bucket.
pub(super) fn name(number: u32) -> String {
    format!("{number:07}.csv")
}

fn keep_secret(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(file)?;
    std::io::Write::write_all(&mut file, bytes)?;
    Ok(())
}

/// Of a file or of all in a folder; nothing if it is not there.
fn size_bytes(path: &Path) -> Result<u64> {
    let Ok(about) = fs::symlink_metadata(path) else {
        return Ok(0);
    };
    if !about.is_dir() {
        return Ok(about.len());
    }
    fs::read_dir(path)?
        .map(|entry| size_bytes(&entry?.path()))
        .sum()
}
