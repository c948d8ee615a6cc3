//! rclone, which brings its own SSH.

use anyhow::Result;

use super::client;
use crate::process::{Ran, run};
use crate::world::World;

impl World {
    /// rclone with these arguments; the account's root is `qm:`.
    pub fn rclone(&self, user: &str, arguments: &[&str]) -> Result<Ran> {
        let mut command = client(self, "rclone");
        command
            .arg("--config=/dev/null")
            .args(["--retries", "1", "--low-level-retries", "1", "--stats", "0"])
            .args(arguments)
            .env("RCLONE_CONFIG_QM_TYPE", "sftp")
            .env("RCLONE_CONFIG_QM_HOST", "127.0.0.1")
            .env("RCLONE_CONFIG_QM_PORT", self.address()?.port().to_string())
            .env("RCLONE_CONFIG_QM_USER", user)
            .env("RCLONE_CONFIG_QM_KEY_FILE", self.key(user)?.private_file)
            .env("RCLONE_CONFIG_QM_KNOWN_HOSTS_FILE", self.known_hosts())
            .env("RCLONE_CONFIG_QM_SHELL_TYPE", "none");
        run(&mut command)
    }
}
