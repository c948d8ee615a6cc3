//! The partner's OpenSSH server, and what its own log says was done there.

use anyhow::{Context as _, Result, bail};
use qm_e2e::{Algorithm, Background, KeyPair, World, free_port, run, wait};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The node, its uploads and the partner share the machine with other tests.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
const DONE: &str = "sent status Success";

pub(crate) struct Partner {
    /// Where the files of the deliveries appear.
    pub(crate) files: PathBuf,
    /// One for each session.
    logs: PathBuf,
    port: u16,
    user: String,
    host_key: String,
    _process: Background,
}

impl Partner {
    /// Takes the world's key `bank`.
    pub(crate) fn start(world: &World) -> Result<Self> {
        let [folder, files, logs] =
            ["partner", "partner/files", "partner/logs"].map(|below| world.path(below));
        for made in [&folder, &files, &logs] {
            fs::create_dir(made)?;
        }
        let host_key = KeyPair::generate(&folder, "host_key", Algorithm::Ed25519)?;
        let authorized = folder.join("authorized_keys");
        fs::write(&authorized, world.key("bank")?.public_line)?;
        let user = run(Command::new("id").args(["--user", "--name"]))?.ok()?;
        let user = user.stdout.trim().to_owned();
        if user == "root" {
            // Compiled into Debian's sshd, which refuses to start as root without it.
            fs::create_dir_all("/run/sshd")?;
        }
        let port = free_port()?;
        // The user's shell runs the subsystem: `$$` is the session's process.
        let text = format!(
            "ListenAddress 127.0.0.1:{port}
HostKey {}
AuthorizedKeysFile {}
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
Subsystem sftp /usr/lib/openssh/sftp-server -e -l DEBUG1 -d {} 2>>{}/$$
",
            host_key.private_file.display(),
            authorized.display(),
            files.display(),
            logs.display(),
        );
        let file = folder.join("sshd_config");
        fs::write(&file, text)?;
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(&file);
        let mut process = Background::start(&mut command, &world.path("logs"), "sshd")?;
        wait::until_true("the partner's server greets", || {
            if let Some(status) = process.ended()? {
                bail!("it ended with {status}\n{}", process.story());
            }
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
                return Ok(false);
            };
            stream.set_read_timeout(Some(GREETING_LIMIT))?;
            let mut greeting = [0; 4];
            stream.read_exact(&mut greeting)?;
            Ok(greeting == *b"SSH-")
        })?;
        Ok(Self {
            files,
            logs,
            port,
            user,
            host_key: host_key.public_line,
            _process: process,
        })
    }

    /// Adds the destination `bank`: this server.
    pub(crate) fn configure(&self, world: &mut World) -> Result<()> {
        let secrets = world.path("secrets");
        fs::create_dir_all(&secrets)?;
        let secret = secrets.join("bank-key");
        fs::copy(world.key("bank")?.private_file, &secret)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        let lines = [
            r#"kind = "sftp""#.to_owned(),
            r#"host = "127.0.0.1""#.to_owned(),
            format!("port = {}", self.port),
            format!("user = {:?}", self.user),
            r#"private_key = "secret:bank-key""#.to_owned(),
            format!("host_keys = [{:?}]", self.host_key),
        ];
        for line in lines {
            world.configuration.set("destination.bank", &line);
        }
        world.configuration.set(
            "node",
            &format!("secrets = {:?}", secrets.display().to_string()),
        );
        Ok(())
    }

    /// What a lookup finds that leads to this server.
    pub(crate) fn looked_up(&self, world: &World) -> Result<Value> {
        Ok(json!({
            "host": "127.0.0.1",
            "port": self.port,
            "username": self.user,
            "private_key": fs::read_to_string(world.key("bank")?.private_file)?,
            "known_hosts": [self.host_key],
        }))
    }

    /// How many answers its sessions have given so far.
    pub(super) fn answers(&self) -> Result<usize> {
        let lines = self.lines()?;
        let answers = lines
            .iter()
            .flatten()
            .filter(|line| line.starts_with("sent status "));
        Ok(answers.count())
    }

    /// How often something got its final name, by the beginning of the delivery's id.
    pub(crate) fn renames(&self) -> Result<BTreeMap<String, usize>> {
        let mut renames = BTreeMap::new();
        for lines in self.lines()? {
            for pair in lines.windows(2) {
                // A session answers one request after the other.
                let [asked, answered] = pair else { continue };
                let Some(from) = asked.strip_prefix("posix-rename old \"") else {
                    continue;
                };
                if answered != DONE {
                    continue;
                }
                let (temp, _) = from.split_once('"').context("a name ends")?;
                let mark = temp
                    .strip_suffix(".part")
                    .and_then(|stem| stem.rsplit_once('.'))
                    .with_context(|| format!("no temp name of ours: {asked}"))?
                    .1;
                *renames.entry(mark.to_owned()).or_default() += 1;
            }
        }
        Ok(renames)
    }

    /// Of each session's log.
    fn lines(&self) -> Result<Vec<Vec<String>>> {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(entry?.path())?;
            Ok(text.lines().map(|line| line.trim().to_owned()).collect())
        };
        fs::read_dir(&self.logs)?.map(read).collect()
    }
}
