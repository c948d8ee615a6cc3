//! `quaymaster install`: makes this machine ready, again and again with the same result.

use anyhow::{Context as _, bail};
use clap::Args;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The configuration a first installation begins with.
const SAMPLE_CONFIG: &str = include_str!("install/quaymaster.toml");
/// Least privilege: own user, read-only system, nothing but its own folders writable.
const UNIT: &str = include_str!("install/quaymaster.service");

pub(super) const BINARY: &str = "usr/local/bin/quaymaster";
pub(super) const CONFIG: &str = "etc/quaymaster/quaymaster.toml";
pub(super) const SECRETS: &str = "etc/quaymaster/secrets";
pub(super) const DATA: &str = "var/lib/quaymaster";
pub(super) const BUCKET: &str = "srv/quaymaster/landing";
pub(super) const UNIT_FILE: &str = "etc/systemd/system/quaymaster.service";
pub(super) const USER: &str = "quaymaster";

#[derive(Args)]
pub(crate) struct InstallOptions {
    /// Install below this folder instead of `/`: makes the files, but no user and no service
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub(super) root: PathBuf,
}

pub(crate) fn run(options: &InstallOptions) -> anyhow::Result<()> {
    let machine = Machine::at(&options.root)?;
    machine.make_user()?;
    for (folder, mode) in [
        ("etc/quaymaster", 0o755),
        (SECRETS, 0o700),
        (DATA, 0o700),
        ("srv/quaymaster", 0o755),
        (BUCKET, 0o750),
    ] {
        machine.make_folder(folder, mode)?;
    }
    for owned in [SECRETS, DATA, BUCKET] {
        machine.give_to_user(owned)?;
    }
    let program = fs::read(std::env::current_exe()?).context("reading this program")?;
    machine.write(BINARY, &program, 0o755)?;
    if machine.path(CONFIG).exists() {
        println!("kept      {}", machine.path(CONFIG).display());
    } else {
        machine.write(CONFIG, SAMPLE_CONFIG.as_bytes(), 0o644)?;
    }
    machine.write(UNIT_FILE, UNIT.as_bytes(), 0o644)?;
    machine.systemctl(&["daemon-reload"])?;
    println!(
        "\nnext:\n  1. edit {}\n  2. quaymaster check\n  3. systemctl enable --now quaymaster\n  4. sudo -u {USER} quaymaster status",
        machine.path(CONFIG).display()
    );
    Ok(())
}

/// The machine, or a folder that stands for it.
pub(super) struct Machine {
    root: PathBuf,
    is_real: bool,
}

impl Machine {
    pub(super) fn at(root: &Path) -> anyhow::Result<Self> {
        let is_real = root == Path::new("/");
        if is_real && !rustix::process::geteuid().is_root() {
            bail!("installing changes the system\n  help: run it as root: sudo quaymaster install");
        }
        Ok(Self {
            root: std::path::absolute(root).context("the folder to install below")?,
            is_real,
        })
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where a path of that machine's configuration is, seen from this one.
    pub(super) fn of_machine(&self, path: &Path) -> PathBuf {
        if path.starts_with(&self.root) {
            return path.to_owned();
        }
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn make_folder(&self, relative: &str, mode: u32) -> anyhow::Result<()> {
        let path = self.path(relative);
        if path.is_dir() {
            println!("kept      {}", path.display());
            return Ok(());
        }
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        println!("made      {}", path.display());
        Ok(())
    }

    /// Written beside and renamed: a running program is replaced without harm.
    fn write(&self, relative: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        let path = self.path(relative);
        if fs::read(&path).is_ok_and(|there| there == content) {
            println!("kept      {}", path.display());
            return Ok(());
        }
        let folder = path.parent().context("a file has a folder")?;
        fs::create_dir_all(folder)?;
        let temporary = folder.join(".quaymaster.new");
        fs::write(&temporary, content)
            .with_context(|| format!("writing {}", temporary.display()))?;
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        fs::rename(&temporary, &path).with_context(|| format!("writing {}", path.display()))?;
        println!("wrote     {}", path.display());
        Ok(())
    }

    fn make_user(&self) -> anyhow::Result<()> {
        if !self.is_real {
            return Ok(());
        }
        // It may be there without its user, and its user without it. Where it cannot be made, what
        // needs it fails below.
        Self::succeeds(Command::new("groupadd").args(["--system", "--force", USER]));
        if Self::has_user() {
            return Ok(());
        }
        let made = Self::succeeds(Command::new("useradd").args([
            "--system",
            "--gid",
            USER,
            "--home-dir",
            "/var/lib/quaymaster",
            "--no-create-home",
            "--shell",
            "/usr/sbin/nologin",
            USER,
        ]));
        if !made {
            bail!(
                "could not make the user {USER}\n  help: make a system user of that name and install again"
            );
        }
        println!("made      user {USER}");
        Ok(())
    }

    fn give_to_user(&self, relative: &str) -> anyhow::Result<()> {
        let owner = format!("{USER}:{USER}");
        let path = self.path(relative);
        if self.is_real && !Self::succeeds(Command::new("chown").arg(owner).arg(&path)) {
            bail!("could not give {} to the user {USER}", path.display());
        }
        Ok(())
    }

    /// Quietly nothing on a machine without systemd, such as a container.
    pub(super) fn systemctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        if !self.has_systemd() {
            return Ok(());
        }
        if !Self::succeeds(Command::new("systemctl").args(arguments)) {
            bail!("systemctl {} failed", arguments.join(" "));
        }
        Ok(())
    }

    /// True if there is a service and it is stopped now.
    pub(super) fn stop_service(&self) -> anyhow::Result<bool> {
        let is_there = self.has_systemd() && self.path(UNIT_FILE).exists();
        if is_there {
            self.systemctl(&["stop", "quaymaster"])?;
        }
        Ok(is_there)
    }

    fn has_systemd(&self) -> bool {
        self.is_real && Path::new("/run/systemd/system").exists()
    }

    pub(super) fn remove_user(&self) {
        if !self.is_real || !Self::has_user() {
            return;
        }
        if Self::succeeds(Command::new("userdel").arg(USER)) {
            // It has gone with its user, unless the machine's users have no groups of their own.
            Self::succeeds(Command::new("groupdel").arg(USER));
            println!("removed   user {USER}");
        } else {
            println!("kept      user {USER} (a process may still be its own: userdel {USER})");
        }
    }

    fn has_user() -> bool {
        Self::succeeds(Command::new("id").args(["-u", USER]))
    }

    pub(super) fn is_own_config(&self) -> bool {
        fs::read(self.path(CONFIG)).is_ok_and(|there| there == SAMPLE_CONFIG.as_bytes())
    }

    fn succeeds(command: &mut Command) -> bool {
        command.output().is_ok_and(|output| output.status.success())
    }
}
