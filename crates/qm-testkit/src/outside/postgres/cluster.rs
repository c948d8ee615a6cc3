//! A `PostgreSQL` server in a folder of its own, on a socket in it, gone with the last test that uses
//! it.

use parking_lot::Mutex;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use tempfile::TempDir;

/// What the machine of the tests does.
const WORKS: &str = "the machine does what tests need";

/// The server that the tests share.
pub fn shared() -> Arc<Cluster> {
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
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    databases: AtomicU32,
}

impl Cluster {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect(WORKS);
        if is_root() {
            let owner = output(Command::new("id").args(["--user", "postgres"]));
            let owner = owner.trim().parse().expect(WORKS);
            std::os::unix::fs::chown(folder.path(), Some(owner), None).expect(WORKS);
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
    pub fn restart(&self) {
        self.pg_ctl(&["restart", "--mode=immediate"]);
    }

    /// The folder with its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(".s.PGSQL.5432")
    }

    /// The connection string of a new database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let mut make = Command::new(installed("createdb"));
        make.args(["--host", &self.folder.path().display().to_string()]);
        output(make.args(["--username", "quaymaster", &name]));
        self.of_database(&name)
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
        .map(|version| version.expect(WORKS).path().join("bin").join(program))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed")
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().expect(WORKS);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect(WORKS)
}

/// The connection string over a proxy.
pub fn over(connection: &str, port: u16) -> String {
    let (_, rest) = connection.split_once(" user=").expect("made by `database`");
    format!("host=127.0.0.1 port={port} user={rest}")
}
