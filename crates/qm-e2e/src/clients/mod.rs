//! The clients that partners use, unmodified, with nothing of this machine's own settings.

mod lftp;
mod openssh;
mod paramiko;
mod putty;
mod rclone;

use anyhow::{Context as _, Result};
use std::process::Command;

use crate::process::quiet;
use crate::world::World;

pub use paramiko::{Paramiko, RemoteError};

/// The Python that has the packages.
pub fn python() -> Result<Command> {
    let python = std::env::var_os("QM_TEST_PYTHON").context(
        "QM_TEST_PYTHON does not name a Python that has paramiko and aiosmtpd: run `cargo xtask test`",
    )?;
    Ok(quiet(python))
}

/// A client's program in the world's own folder, with the world as its home.
fn client(world: &World, program: &str) -> Command {
    let mut command = quiet(program);
    command
        .current_dir(world.local(""))
        .env("HOME", world.path(""))
        .env("LC_ALL", "C.UTF-8")
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("SSH_ASKPASS");
    command
}
