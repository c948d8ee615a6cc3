//! A Python of the tests' own, with the packages that act as peers: a client (paramiko), a mail
//! server (aiosmtpd), and AWS (moto).

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::peers;
use crate::workspace;

/// Pinned: a peer that changes overnight must not change what our tests say.
const PACKAGES: &[&str] = &["aiosmtpd==1.4.6", "moto[server]==5.2.5", "paramiko==5.1.0"];
const PROBE: &str = "import aiosmtpd.controller, moto.server, paramiko";
/// The first of these that can make a virtual environment is used.
const INTERPRETERS: &[&str] = &["python3", "/usr/bin/python3"];

/// The interpreter that has the packages, under `target`.
pub(super) fn install(target: &Path) -> Result<PathBuf> {
    let folder = target.join("test-peers");
    let environment = folder.join("venv");
    let python = environment.join("bin").join("python");
    let stamp = folder.join("python-packages");
    let wanted = PACKAGES.join("\n");
    let is_current = std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted);
    if is_current && has_packages(&python) {
        return Ok(python);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    workspace::run(
        Command::new(interpreter()?)
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
    )?;
    add(&python, PACKAGES).context("installing the Python peers; `--offline` leaves them out")?;
    if !has_packages(&python) {
        bail!("{} cannot import its packages", python.display());
    }
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(python)
}

/// Where its packages lie.
pub(super) fn packages(python: &Path) -> Result<PathBuf> {
    let print = "import sysconfig; print(sysconfig.get_path('platlib'))";
    let printed = workspace::output(Command::new(python).args(["-c", print]))?;
    Ok(printed.trim().into())
}

/// Installs packages into it.
pub(super) fn add(python: &Path, packages: &[&str]) -> Result<()> {
    println!("installing {}", packages.join(", "));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet"])
        .arg("--disable-pip-version-check")
        .args(packages);
    workspace::run(&mut pip)
}

fn interpreter() -> Result<&'static str> {
    if let Some(found) = usable() {
        return Ok(found);
    }
    peers::install_packages(&["python3", "python3-venv"])?;
    usable().context("no Python here can make virtual environments")
}

fn usable() -> Option<&'static str> {
    INTERPRETERS.iter().copied().find(|interpreter| {
        workspace::succeeds(Command::new(interpreter).args(["-c", "import venv, ensurepip"]))
    })
}

fn has_packages(python: &Path) -> bool {
    workspace::succeeds(Command::new(python).args(["-c", PROBE]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_without_the_packages_is_not_taken() {
        assert!(!has_packages(Path::new("/nonexistent/python")));
    }
}
