//! lftp, which runs `ssh` underneath.

use anyhow::Result;

use super::client;
use crate::process::{Ran, run};
use crate::world::World;

impl World {
    /// lftp with a script of commands, which stops at the first that fails.
    pub fn lftp(&self, user: &str, script: &str) -> Result<Ran> {
        let key = self.key(user)?;
        let ssh = format!(
            "ssh -a -x -i {} {}",
            key.private_file.display(),
            self.openssh_options().join(" ")
        );
        let commands = format!(
            "set cmd:fail-exit yes\n\
             set net:max-retries 1\n\
             set sftp:auto-confirm no\n\
             set sftp:connect-program \"{ssh}\"\n\
             open -u {user}, -p {} sftp://127.0.0.1\n\
             {script}\nbye\n",
            self.address()?.port()
        );
        let mut command = client(self, "lftp");
        command.args(["--norc", "-c", &commands]);
        run(&mut command)
    }
}
