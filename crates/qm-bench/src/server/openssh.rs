//! Debian's sshd with a configuration of its own, run by whoever runs this.

use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{POLL_PAUSE, READY_LIMIT, Server, free_port, stop, tail};
use crate::client::Target;
use crate::keys::KeyPair;
use crate::plan::Contestant;

const BINARY: &str = "/usr/sbin/sshd";
/// Compiled into Debian's sshd, which refuses to start as root without it.
const PRIVILEGE_SEPARATION_FOLDER: &str = "/run/sshd";
/// The other end must have something to say within this time.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn start(folder: &Path, client_key: &KeyPair) -> Result<Server> {
    let files = folder.join("files");
    fs::create_dir_all(&files).context("making the folder for files")?;
    let user = whoami()?;
    if user == "root" {
        fs::create_dir_all(PRIVILEGE_SEPARATION_FOLDER)
            .context("making the folder that sshd wants as root")?;
    }
    let host_key = KeyPair::generate(&folder.join("host_key"))?;
    let authorized = folder.join("authorized_keys");
    fs::write(&authorized, format!("{}\n", client_key.public_line))?;
    let port = free_port()?;
    let configuration = folder.join("sshd_config");
    fs::write(
        &configuration,
        configuration_text(port, &host_key.private_file, &authorized),
    )?;
    let log = folder.join("sshd.log");
    let mut child = Command::new(BINARY)
        .args(["-D", "-e", "-f"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .with_context(|| format!("starting {BINARY}"))?;
    if let Err(error) = wait_for_greeting(&mut child, port) {
        stop(&mut child);
        return Err(error.context(tail(&log)));
    }
    Ok(Server {
        contestant: Contestant::OpenSsh,
        child,
        target: Target {
            user,
            port,
            private_key_file: client_key.private_file.clone(),
        },
        remote_folder: files,
        objects: None,
        idle_memory_bytes: 0,
    })
}

fn configuration_text(port: u16, host_key: &Path, authorized: &Path) -> String {
    let host_key: PathBuf = host_key.into();
    format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey \"{}\"
AuthorizedKeysFile \"{}\"
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
MaxStartups 1000
LogLevel ERROR
Subsystem sftp internal-sftp
",
        host_key.display(),
        authorized.display()
    )
}

fn wait_for_greeting(child: &mut Child, port: u16) -> Result<()> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("sshd ended ({status})");
        }
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            stream.set_read_timeout(Some(GREETING_LIMIT))?;
            let mut greeting = [0; 4];
            stream.read_exact(&mut greeting)?;
            ensure!(greeting == *b"SSH-", "port {port} is somebody else's");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "sshd did not come up");
        std::thread::sleep(POLL_PAUSE);
    }
}

fn whoami() -> Result<String> {
    let output = Command::new("id").args(["--user", "--name"]).output()?;
    ensure!(output.status.success(), "`id` does not know who we are");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces() {
        let text = configuration_text(22, Path::new("/a b/host"), Path::new("/a b/keys"));
        assert!(text.contains("HostKey \"/a b/host\"\n"));
        assert!(text.contains("AuthorizedKeysFile \"/a b/keys\"\n"));
        assert!(text.starts_with("Port 22\n"));
    }
}
