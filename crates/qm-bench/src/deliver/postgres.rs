//! Debian's `PostgreSQL` in a folder of its own, as durable as it comes.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

use crate::measure::temporary_folder;

const DATABASE: &str = "ledger";
const USER: &str = "quaymaster";

/// A server on a socket in its folder; it ends with this value.
pub(crate) struct Cluster {
    folder: TempDir,
}

impl Cluster {
    pub(crate) fn start(parent: &Path) -> Result<Self> {
        let folder = temporary_folder(parent)?;
        if rustix::process::geteuid().is_root() {
            let owner = output(Command::new("id").args(["--user", "postgres"]))?;
            let owner = owner.trim().parse().context("the user `postgres`")?;
            std::os::unix::fs::chown(folder.path(), Some(owner), None)?;
        }
        let cluster = Self { folder };
        let initdb = [
            "--auth=trust",
            "--encoding=UTF8",
            "--username",
            USER,
            "--pgdata",
        ];
        output(
            cluster
                .program("initdb")?
                .args(initdb)
                .arg(cluster.data_folder()),
        )?;
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}'",
            cluster.folder.path().display()
        );
        let log = cluster.folder.path().join("log");
        let mut start = cluster.pg_ctl("start")?;
        output(start.arg("--log").arg(log).arg("--options").arg(options))?;
        let mut make = cluster.program("createdb")?;
        make.arg("--host").arg(cluster.folder.path());
        output(make.args(["--username", USER, DATABASE]))?;
        Ok(cluster)
    }

    /// The connection string of the ledger's database.
    pub(crate) fn connection(&self) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} user={USER} dbname={DATABASE}")
    }

    /// A client, connected to the database.
    pub(crate) fn client(&self) -> Result<Command> {
        let mut psql = Command::new(installed("psql")?);
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
            .arg("--host")
            .arg(self.folder.path())
            .args(["--username", USER, "--dbname", DATABASE]);
        Ok(psql)
    }

    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn pg_ctl(&self, what: &str) -> Result<Command> {
        let mut pg_ctl = self.program("pg_ctl")?;
        pg_ctl.args([what, "--silent", "--wait", "--pgdata"]);
        pg_ctl.arg(self.data_folder());
        Ok(pg_ctl)
    }

    /// A program of the server, as somebody who is not root: it refuses to run as root.
    fn program(&self, name: &str) -> Result<Command> {
        let program = installed(name)?;
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        command.arg(program).current_dir(self.folder.path());
        Ok(command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its folder goes away whether it listens or not.
        if let Ok(mut stop) = self.pg_ctl("stop") {
            drop(stop.arg("--mode=immediate").output());
        }
    }
}

/// Debian keeps the versions side by side, none on the path.
fn installed(program: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("looking for PostgreSQL")?;
    let found = versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.is_file())
        .max();
    found.with_context(|| format!("PostgreSQL's `{program}` is not installed"))
}

pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", errors.trim());
    Ok(String::from_utf8(output.stdout)?)
}
