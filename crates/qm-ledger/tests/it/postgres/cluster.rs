//! A `PostgreSQL` server in a folder of its own, on a socket in it, gone with the last test that uses
//! it.

use parking_lot::Mutex;
use qm_core::id::NodeName;
use qm_core::ports::access::Secret;
use qm_ledger::{PostgresLedger, PostgresOptions};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Longer than any test takes.
pub(crate) const LEASE: Duration = Duration::from_mins(10);

/// The server that the tests share.
pub(crate) fn shared() -> Arc<Cluster> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock();
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let cluster = Arc::new(Cluster::start());
    *shared = Arc::downgrade(&cluster);
    cluster
}

/// A server.
pub(crate) struct Cluster {
    folder: TempDir,
    databases: AtomicU32,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            let owner = output(Command::new("id").args(["--user", "postgres"]));
            let owner = owner.trim().parse().unwrap();
            std::os::unix::fs::chown(folder.path(), Some(owner), None).unwrap();
        }
        let cluster = Self {
            folder,
            databases: AtomicU32::new(0),
        };
        output(cluster.program("initdb").args([
            "--auth=trust",
            "--username=quaymaster",
            "--encoding=UTF8",
            "--no-sync",
        ]));
        cluster.pg_ctl(&["start"]);
        cluster
    }

    /// Kills every process of the server and starts it again.
    pub(crate) fn restart(&self) {
        self.pg_ctl(&["restart", "--mode=immediate"]);
    }

    /// The folder with its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// The connection string of a new database.
    pub(crate) async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let maker = client(&self.of_database("postgres")).await;
        let make = format!("CREATE DATABASE ledger_{number}");
        maker.batch_execute(&make).await.unwrap();
        self.of_database(&format!("ledger_{number}"))
    }

    fn of_database(&self, name: &str) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} user=quaymaster dbname={name}")
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let log = self.folder.path().join("log");
        // The file system's cache outlives the server, so nothing is gained by syncing it.
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off \
             -c max_connections=300",
            self.folder.path().display()
        );
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.args(arguments).args(["--silent", "--wait"]);
        output(pg_ctl.arg("--log").arg(log).arg("--options").arg(options));
    }

    /// A program of the server, as somebody who is not root: it refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let program = installed(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command.arg("--pgdata").arg(self.folder.path().join("data"));
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        drop(stop.args(["stop", "--mode=immediate", "--silent"]).output());
    }
}

fn is_root() -> bool {
    output(Command::new("id").arg("--user")).trim() == "0"
}

/// Debian keeps the versions side by side, none on the path.
fn installed(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin").join(program))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed")
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A session of the tests' own.
pub(crate) async fn client(connection: &str) -> Client {
    let (client, line) = tokio_postgres::connect(connection, NoTls).await.unwrap();
    tokio::spawn(async move { drop(line.await) });
    client
}

pub(crate) fn options(connection: &str, node: &str) -> PostgresOptions {
    PostgresOptions {
        lease: LEASE,
        connections: 8,
        ..PostgresOptions::new(
            Secret::new(connection.to_owned()),
            NodeName::parse(node).unwrap(),
        )
    }
}

pub(crate) async fn open(connection: &str, node: &str) -> PostgresLedger {
    PostgresLedger::open(options(connection, node))
        .await
        .unwrap()
}

/// The connection string over a proxy.
pub(crate) fn over(connection: &str, port: u16) -> String {
    let (_, rest) = connection.split_once(" user=").unwrap();
    format!("host=127.0.0.1 port={port} user={rest}")
}
