//! Debian's sshd on a port of its own, with keys made for the test.

use qm_core::config::Sftp;
use qm_core::ports::access::Secret;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::world::{DEADLINE, config};

/// Ends with the test.
pub(crate) struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    /// One line for each host key.
    pub(crate) host_keys: Vec<String>,
}

impl Sshd {
    /// With one host key and everything that OpenSSH offers.
    pub(crate) fn start() -> Self {
        Self::with("", &["ed25519"])
    }

    /// With these arguments of the SFTP server, such as `-P posix-rename`, and these host keys.
    pub(crate) fn with(sftp_arguments: &str, host_key_types: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        let client = folder.path().join("client");
        ssh_keygen(&client, &["-t", "ed25519", "-N", ""]);
        fs::copy(
            client.with_extension("pub"),
            folder.path().join("authorized"),
        )
        .unwrap();
        let host_keys = host_key_types.iter().enumerate().map(|(number, kind)| {
            let file = folder.path().join(format!("host_{number}"));
            ssh_keygen(&file, &["-t", kind, "-N", ""]);
            let line = fs::read_to_string(file.with_extension("pub")).unwrap();
            line.trim().to_owned()
        });
        let host_keys: Vec<String> = host_keys.collect();
        // sshd cannot be asked for any free port, so it gets one that was free a moment ago.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut sshd = Self {
            child: spawn(folder.path(), port, sftp_arguments, host_keys.len()),
            folder,
            port,
            host_keys,
        };
        sshd.wait_for_greeting();
        sshd
    }

    /// Where the login lands.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.files().join(name)).unwrap()
    }

    /// Names in the folder, temp names too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.files()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Lets this key in as well.
    pub(crate) fn authorize(&self, public_file: &Path) {
        let file = self.folder.path().join("authorized");
        let mut lines = fs::read_to_string(&file).unwrap();
        lines.push_str(&fs::read_to_string(public_file).unwrap());
        fs::write(&file, lines).unwrap();
    }

    pub(crate) fn client_key(&self) -> Secret {
        Secret::new(fs::read_to_string(self.folder.path().join("client")).unwrap())
    }

    /// A destination in its folder, with a key that it takes.
    pub(crate) fn config(&self) -> Sftp<Secret> {
        self.config_at(self.port)
    }

    /// The same by way of another port.
    pub(crate) fn config_at(&self, port: u16) -> Sftp<Secret> {
        Sftp {
            user: user(),
            private_key: Some(self.client_key()),
            ..config(port, &self.host_keys[0])
        }
    }

    fn wait_for_greeting(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(self.child.try_wait().unwrap().is_none(), "sshd ended");
            if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                let mut greeting = [0; 4];
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.read_exact(&mut greeting).unwrap();
                assert_eq!(greeting, *b"SSH-");
                return;
            }
            assert!(Instant::now() < deadline, "sshd did not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn ssh_keygen(file: &Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-C", "test", "-f"])
        .arg(file)
        .args(arguments);
    run(&mut command);
}

pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Who runs the tests: sshd lets nobody else in.
fn user() -> String {
    let output = Command::new("id")
        .args(["--user", "--name"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn spawn(folder: &Path, port: u16, sftp_arguments: &str, host_keys: usize) -> Child {
    if user() == "root" {
        // Compiled into Debian's sshd, which refuses to start as root without it.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let host_keys: Vec<String> = (0..host_keys)
        .map(|number| folder.join(format!("host_{number}")))
        .map(|file| format!("HostKey \"{}\"", file.display()))
        .collect();
    let host_keys = host_keys.join("\n");
    let text = format!(
        "Port {port}
ListenAddress 127.0.0.1
{host_keys}
AuthorizedKeysFile \"{}\"
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
MaxStartups 1000
Subsystem sftp internal-sftp -d {} {sftp_arguments}
",
        folder.join("authorized").display(),
        folder.join("files").display(),
    );
    let file = folder.join("sshd_config");
    fs::write(&file, text).unwrap();
    Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("sshd.log")).unwrap())
        .spawn()
        .unwrap()
}
