//! File systems that misbehave on demand: small ones that fill up, folders that cannot be
//! written. Both need root.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{quiet, run};

/// A small file system in memory, mounted until dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `size_bytes` over a folder, which is made.
    pub fn mount(folder: &Path, size_bytes: u64) -> Result<Self> {
        fs::create_dir_all(folder)?;
        mount(
            &["-t", "tmpfs", "-o", &format!("size={size_bytes}"), "tmpfs"],
            folder,
        )?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Fills it to the last byte; the ballast is removed by dropping.
    pub fn fill(&self) -> Result<Ballast> {
        let file = self.folder.join(".ballast");
        let ballast = Ballast { file };
        let mut out = fs::File::create(&ballast.file)?;
        let block = vec![0x2e_u8; 64 * 1024];
        loop {
            use std::io::Write as _;
            // Blocks until none fits, then bytes: `write` is short before it fails.
            match out.write(&block) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
        Ok(ballast)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

/// What fills a disk, until dropped.
#[derive(Debug)]
pub struct Ballast {
    file: PathBuf,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // The disk goes with the test; a file that stays harms nobody.
        let _ = fs::remove_file(&self.file);
    }
}

/// A folder that nobody can write to, not even root, until dropped.
#[derive(Debug)]
pub struct ReadOnly {
    folder: PathBuf,
}

impl ReadOnly {
    /// Makes it so.
    pub fn mount(folder: &Path) -> Result<Self> {
        let itself = folder.to_str().context("our folders are text")?;
        mount(&["--bind", itself], folder)?;
        let read_only = Self {
            folder: folder.to_owned(),
        };
        mount(&["-o", "remount,bind,ro"], folder)?;
        Ok(read_only)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

fn mount(arguments: &[&str], folder: &Path) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "this test mounts a file system, which needs root: run `cargo xtask test` as root"
    );
    let mounted = run(quiet("mount").args(arguments).arg(folder))?;
    mounted
        .ok()
        .context("mounting, which needs the capability CAP_SYS_ADMIN")?;
    Ok(())
}

/// Lazily: a process that is about to be ended may still be in it.
fn unmount(folder: &Path) {
    let _ = run(quiet("umount").arg("--lazy").arg(folder));
}
