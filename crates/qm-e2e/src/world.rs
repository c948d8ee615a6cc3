//! One test's own world.

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::configuration::Configuration;
use crate::keys::{Algorithm, KeyPair};
use crate::node::{Node, binary};
use crate::process::{Ran, quiet, run};
use crate::rows::Rows;
use crate::s3_server::S3Server;

/// More rows than any test makes.
const ALL_ROWS: &str = "100000";
/// The name under which clients know our host key, whatever the port.
pub(crate) const HOST_ALIAS: &str = "quaymaster.test";

/// A temporary folder with a configuration and, once started, a node.
#[derive(Debug)]
pub struct World {
    /// Dropped first: it works in the folder.
    node: Option<Node>,
    /// Changes are in force after [`World::start`] or [`World::apply`].
    pub configuration: Configuration,
    keys: Mutex<BTreeMap<String, KeyPair>>,
    /// Where the objects of the bucket `landing` lie as files.
    objects: PathBuf,
    starts: u32,
    environment: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl World {
    /// A folder with a bucket and a folder `share`; nothing runs yet.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("qm-e2e-").tempdir()?;
        for below in ["keys", "local", "landing", "share", "logs"] {
            fs::create_dir(folder.path().join(below))?;
        }
        let world = Self {
            node: None,
            configuration: Configuration::new(),
            keys: Mutex::default(),
            objects: folder.path().join("landing"),
            starts: 0,
            environment: Vec::new(),
            folder,
        };
        Ok(world)
    }

    /// A running node with one account `north` that may do everything.
    pub fn with_north() -> Result<Self> {
        let mut world = Self::new()?;
        world.account("north")?;
        world.configuration.may_everything("north");
        world.start()?;
        Ok(world)
    }

    /// Below the world's folder.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Below the bucket's folder.
    pub fn bucket(&self, below: impl AsRef<Path>) -> PathBuf {
        self.objects.join(below)
    }

    /// Puts the bucket `landing` on an S3 server, as a bucket of its own there.
    pub fn move_to_s3(&mut self, server: &S3Server) -> Result<()> {
        self.objects = server.make_bucket("landing")?;
        self.ask_s3_at(&server.endpoint());
        Ok(())
    }

    /// The bucket is that of an S3 service at this URL; a proxy before it, for instance.
    pub fn ask_s3_at(&mut self, url: &str) {
        self.configuration
            .set("bucket.landing", r#"url = "s3://landing""#)
            .set("bucket.landing", r#"region = "us-east-1""#)
            .set("bucket.landing", &format!("endpoint = {url:?}"));
    }

    /// Below the folder of the destination `share`.
    pub fn share(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path("share").join(below)
    }

    /// Below the folder that clients work in.
    pub fn local(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path("local").join(below)
    }

    /// Writes a file for a client to send.
    pub fn write_local(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let file = self.local(name);
        let folder = file.parent().context("a file has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    /// The key pair of that name; made at the first call.
    pub fn key(&self, name: &str) -> Result<KeyPair> {
        self.key_of(name, Algorithm::Ed25519)
    }

    /// Like [`World::key`], of a kind.
    pub fn key_of(&self, name: &str, algorithm: Algorithm) -> Result<KeyPair> {
        let mut keys = self.keys.lock();
        if let Some(key) = keys.get(name) {
            return Ok(key.clone());
        }
        let key = KeyPair::generate(&self.path("keys"), name, algorithm)?;
        keys.insert(name.to_owned(), key.clone());
        Ok(key)
    }

    /// Adds an account with the key of the same name to the configuration.
    pub fn account(&mut self, name: &str) -> Result<()> {
        let key = self.key(name)?;
        self.configuration.account(name, &[&key.public_line]);
        Ok(())
    }

    /// Adds a route from everything in the bucket to the folder `share`.
    pub fn deliver_everything(&mut self) {
        let share = self.share("");
        self.configuration
            .share(&share)
            .route("to-share", "landing/**");
    }

    /// Starts the node on the configuration as it is now.
    pub fn start(&mut self) -> Result<()> {
        self.write_configuration()?;
        self.starts += 1;
        let name = format!("node-{}", self.starts);
        let (file, logs) = (self.configuration_file(), self.path("logs"));
        let node = Node::start(&file, &logs, &name, &self.environment)?;
        let data = self.path("data");
        self.adopt(node, &data)
    }

    /// Takes up a node that was started in another way, with the data folder it has.
    pub fn adopt(&mut self, node: Node, data: &Path) -> Result<()> {
        let port = node.address().port();
        self.node = Some(node);
        self.write_known_hosts(data)?;
        // Last: clients that wait for a restart read it first.
        fs::write(self.path("port"), port.to_string()).context("writing the port for clients")
    }

    /// A variable of the environment of nodes that are started from now on.
    pub fn environment(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Asks the node to stop and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        self.take_node()?.stop()
    }

    /// Ends the node at once.
    pub fn kill(&mut self) -> Result<()> {
        self.take_node()?.kill()
    }

    /// The running node.
    pub fn node(&mut self) -> Result<&mut Node> {
        self.node.as_mut().context("no node runs")
    }

    /// Where clients connect.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.node.as_ref().context("no node runs")?.address())
    }

    /// The file of the configuration.
    pub fn configuration_file(&self) -> PathBuf {
        self.path("quaymaster.toml")
    }

    /// The file with the node's host key, for clients.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// Writes the configuration and applies it to the running node.
    pub fn apply(&self) -> Result<Ran> {
        self.write_configuration()?;
        let file = self.configuration_file();
        self.quaymaster(&["apply", file.to_str().context("our folders are text")?])
    }

    /// Writes the configuration's file.
    pub fn write_configuration(&self) -> Result<()> {
        fs::write(self.configuration_file(), self.configuration.text())
            .context("writing the configuration")
    }

    /// Runs an operator's command on this world's node.
    pub fn quaymaster(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = quiet(binary()?);
        command
            .args(arguments)
            .env("QUAYMASTER_CONFIG", self.configuration_file());
        run(&mut command)
    }

    /// What has arrived, newest first.
    pub fn arrivals(&self) -> Result<Rows> {
        self.list(&["arrival", "list"], None)
    }

    /// All deliveries, newest first.
    pub fn deliveries(&self) -> Result<Rows> {
        self.list(&["delivery", "list"], None)
    }

    /// What was told of files that others put into buckets, newest first.
    pub fn inbox(&self) -> Result<Rows> {
        self.list(&["inbox", "list"], None)
    }

    /// All alerts, newest first.
    pub fn alerts(&self) -> Result<Rows> {
        self.list(&["alert", "list"], None)
    }

    /// All messages about alerts, newest first.
    pub fn messages(&self) -> Result<Rows> {
        self.list(&["alert", "list"], Some("messages:"))
    }

    /// All audit records, newest first.
    pub fn audit(&self) -> Result<Rows> {
        self.list(&["audit", "list"], None)
    }

    /// The slots that were evaluated, newest first.
    pub fn slots(&self) -> Result<Rows> {
        self.list(&["expectation", "list"], Some("past:"))
    }

    fn list(&self, command: &[&str], after: Option<&str>) -> Result<Rows> {
        let arguments = [command, &["--limit", ALL_ROWS]].concat();
        Rows::parse(&self.quaymaster(&arguments)?.ok()?.stdout, after)
    }

    /// Clients take our host key from here and accept no other.
    fn write_known_hosts(&self, data: &Path) -> Result<()> {
        let mut command = quiet("ssh-keygen");
        command.arg("-yf").arg(data.join("host_key_ed25519"));
        let Ok(printed) = run(&mut command) else {
            // A machine without OpenSSH has no client that would need it.
            return Ok(());
        };
        let key = printed.ok()?.stdout;
        let port = self.address()?.port();
        let lines = format!("{HOST_ALIAS} {key}[127.0.0.1]:{port} {key}");
        fs::write(self.known_hosts(), lines).context("writing the host key for clients")
    }

    fn take_node(&mut self) -> Result<Node> {
        self.node.take().context("no node runs")
    }
}
