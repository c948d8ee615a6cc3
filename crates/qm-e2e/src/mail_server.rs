//! A real SMTP server (aiosmtpd) that keeps every mail it takes.

use anyhow::{Context as _, Result};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::clients::python;
use crate::process::Background;
use crate::wait;
use crate::world::World;

const PROGRAM: &str = include_str!("mail_server.py");

/// A mail server on loopback.
#[derive(Debug)]
pub struct MailServer {
    folder: PathBuf,
    port: u16,
    _process: Background,
}

/// A mail it took.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// A port that nobody listens on; somebody may take it before it is used.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl MailServer {
    /// On a free port.
    pub fn start(world: &World) -> Result<Self> {
        Self::start_at(world, 0)
    }

    /// On this port.
    pub fn start_at(world: &World, port: u16) -> Result<Self> {
        let folder = world.path("mail");
        fs::create_dir_all(&folder)?;
        let mut command = python()?;
        command
            .args(["-c", PROGRAM])
            .arg(&folder)
            .arg(port.to_string());
        let mut process = Background::start(&mut command, &world.path("logs"), "mail-server")?;
        let port = process.wait_for("the mail server listens", |said| {
            let (_, rest) = said.split_once("listening on ")?;
            rest.split_once('\n')?.0.parse().ok()
        })?;
        Ok(Self {
            folder,
            port,
            _process: process,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on every mail is put off.
    pub fn refuse(&self) -> Result<()> {
        fs::write(self.folder.join("refuse"), "").context("telling the mail server to refuse")
    }

    /// From now on mail is taken again.
    pub fn accept(&self) -> Result<()> {
        fs::remove_file(self.folder.join("refuse")).context("telling the mail server to accept")
    }

    /// All mails it took, oldest first.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "json")
        });
        files.sort();
        files
            .iter()
            .map(|file| Mail::parse(&fs::read_to_string(file)?))
            .collect()
    }

    /// Waits for a mail with that subject.
    pub fn wait_for(&self, subject: &str) -> Result<Mail> {
        wait::until(&format!("a mail `{subject}` came"), || {
            Ok(self
                .mails()?
                .into_iter()
                .find(|mail| mail.subject == subject))
        })
    }
}

impl Mail {
    fn parse(json: &str) -> Result<Self> {
        let mail: serde_json::Value = serde_json::from_str(json)?;
        let to = mail["to"].as_array().context("a mail has recipients")?;
        let text = |field: &str| {
            mail[field]
                .as_str()
                .with_context(|| format!("no {field} in {json}"))
        };
        Ok(Self {
            to: to
                .iter()
                .filter_map(|address| address.as_str())
                .map(str::to_owned)
                .collect(),
            subject: text("subject")?.to_owned(),
            body: text("body")?.trim_end().to_owned(),
        })
    }
}
