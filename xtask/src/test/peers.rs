//! Foreign clients and servers from Debian, installed when a look at the binaries finds one
//! missing.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace;

/// A Debian package and the programs that we need of it.
struct Peer {
    package: &'static str,
    programs: &'static [&'static str],
}

const SERVER: Peer = Peer {
    package: "openssh-server",
    programs: &["sshd"],
};
const CLIENT: Peer = Peer {
    package: "openssh-client",
    programs: &["ssh", "sftp", "scp", "ssh-keygen"],
};
const RCLONE: Peer = Peer {
    package: "rclone",
    programs: &["rclone"],
};
const DATABASE: Peer = Peer {
    package: "postgresql",
    programs: &["initdb", "pg_ctl", "postgres", "createdb"],
};
const SQLITE: Peer = Peer {
    package: "sqlite3",
    programs: &["sqlite3"],
};
const CLIENTS: &[Peer] = &[
    CLIENT,
    Peer {
        package: "openssh-sftp-server",
        programs: &["sftp-server"],
    },
    Peer {
        package: "lftp",
        programs: &["lftp"],
    },
    RCLONE,
    Peer {
        package: "openssl",
        programs: &["openssl"],
    },
    DATABASE,
    Peer {
        package: "faketime",
        programs: &["faketime"],
    },
    Peer {
        package: "putty-tools",
        programs: &["psftp", "puttygen"],
    },
    Peer {
        package: "systemd",
        programs: &["systemd-analyze"],
    },
    Peer {
        package: "strace",
        programs: &["strace"],
    },
];

/// Besides PATH: where Debian puts servers, which a user's PATH often lacks.
const FURTHER_FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/usr/lib/openssh"];

/// Everything the tests need.
pub(super) fn install() -> Result<()> {
    install_missing(std::iter::once(&SERVER).chain(CLIENTS))
}

/// What the measuring program needs: OpenSSH, both ends.
pub(crate) fn install_servers() -> Result<()> {
    install_missing([&SERVER, &CLIENT])
}

/// What the measuring program compares with over a bucket.
pub(crate) fn install_rclone() -> Result<()> {
    install_missing([&RCLONE])
}

/// What keeps a ledger that nodes share.
pub(crate) fn install_database() -> Result<()> {
    install_missing([&DATABASE])
}

/// What loads into SQLite beside us.
pub(crate) fn install_sqlite() -> Result<()> {
    install_missing([&SQLITE])
}

/// Installs one more package by name.
pub(super) fn install_packages(packages: &[&str]) -> Result<()> {
    if find("apt-get", &folders()).is_none() {
        bail!(
            "the tests need {}; install them: there is no apt-get here to do it",
            packages.join(", ")
        );
    }
    let prefix = privilege(packages)?;
    println!("installing {}", packages.join(", "));
    workspace::run(&mut apt_get(prefix, &["update", "--quiet=2"]))?;
    let mut install = apt_get(
        prefix,
        &["install", "--yes", "--quiet=2", "--no-install-recommends"],
    );
    workspace::run(install.args(packages)).context("installing what the tests need")
}

fn install_missing<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Result<()> {
    let peers: Vec<&Peer> = peers.into_iter().collect();
    let missing = missing(&peers, &folders());
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(&missing)?;
    let still = self::missing(&peers, &folders());
    if still.is_empty() {
        return Ok(());
    }
    bail!(
        "{} was installed, but its programs are not found",
        still.join(", ")
    );
}

fn missing(peers: &[&Peer], folders: &[PathBuf]) -> Vec<&'static str> {
    peers
        .iter()
        .filter(|peer| peer.programs.iter().any(|p| find(p, folders).is_none()))
        .map(|peer| peer.package)
        .collect()
}

fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(FURTHER_FOLDERS.iter().map(PathBuf::from))
        .chain(folders_of_versions(Path::new("/usr/lib/postgresql")))
        .collect()
}

/// Debian keeps the versions of PostgreSQL side by side, none on the path.
fn folders_of_versions(parent: &Path) -> Vec<PathBuf> {
    let Ok(versions) = parent.read_dir() else {
        return Vec::new();
    };
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect()
}

/// How we become root, if at all.
fn privilege(packages: &[&str]) -> Result<Option<&'static str>> {
    if workspace::output(Command::new("id").arg("--user"))?.trim() == "0" {
        return Ok(None);
    }
    if workspace::succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Ok(Some("sudo"));
    }
    bail!(
        "the tests need {0}; run `sudo apt-get install --no-install-recommends {0}` once, or leave \
         the foreign peers out with `--offline`",
        packages.join(" ")
    );
}

fn apt_get(prefix: Option<&str>, arguments: &[&str]) -> Command {
    // `env` because sudo does not pass our environment on. RUNLEVEL=1 keeps the maintainer
    // scripts from starting a service: we want sshd's binary, not a listener on port 22.
    let mut words: Vec<&str> = prefix.map(|sudo| vec![sudo, "-n"]).unwrap_or_default();
    words.extend([
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "RUNLEVEL=1",
        "apt-get",
    ]);
    let (program, rest) = words.split_first().expect("the list above is not empty");
    let mut command = Command::new(Path::new(program));
    command.args(rest).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_missing_if_one_program_is() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let put = |program: &str| std::fs::write(folder.path().join(program), "").unwrap();
        let peers = [&SERVER, &CLIENT];
        assert_eq!(
            missing(&peers, &folders),
            ["openssh-server", "openssh-client"]
        );
        put("sshd");
        put("ssh");
        put("sftp");
        assert_eq!(missing(&peers, &folders), ["openssh-client"]);
        put("scp");
        put("ssh-keygen");
        assert!(missing(&peers, &folders).is_empty());
    }

    #[test]
    fn commands() {
        assert_eq!(
            workspace::shown(&apt_get(Some("sudo"), &["update"])),
            "sudo -n env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update"
        );
        assert_eq!(
            workspace::shown(&apt_get(None, &["update"])),
            "env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update"
        );
    }
}
