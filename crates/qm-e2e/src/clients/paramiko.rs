//! paramiko, held open and driven step by step: for what other clients cannot be made to do.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fmt;
use std::io::Write as _;
use std::process::{ChildStdin, Stdio};

use super::python;
use crate::keys::KeyPair;
use crate::process::Background;
use crate::wait;
use crate::world::World;

const PROGRAM: &str = include_str!("paramiko.py");

/// A session in a Python of its own.
#[derive(Debug)]
pub struct Paramiko {
    process: Background,
    input: ChildStdin,
    answers: usize,
}

/// What Python raised.
#[derive(Debug)]
pub struct RemoteError {
    /// The exception's class.
    pub kind: String,
    /// Its text: for a refused request, what the server said.
    pub message: String,
    /// As paramiko derives it from the status.
    pub errno: Option<i64>,
}

impl World {
    /// A session as the account with its key of the same name.
    pub fn paramiko(&self, user: &str) -> Result<Paramiko> {
        self.paramiko_with(user, &self.key(user)?)
    }

    /// A session with a key.
    pub fn paramiko_with(&self, user: &str, key: &KeyPair) -> Result<Paramiko> {
        let mut command = python()?;
        command
            .current_dir(self.local(""))
            .args(["-c", PROGRAM, user])
            .arg(&key.private_file)
            .arg(self.address()?.port().to_string())
            .arg(self.known_hosts())
            .stdin(Stdio::piped());
        // Several sessions write beside each other.
        let folder = tempfile::tempdir_in(self.path("logs"))?.keep();
        let mut process = Background::start(&mut command, &folder, "paramiko")?;
        let input = process.take_stdin().context("its input was asked for")?;
        let mut session = Paramiko {
            process,
            input,
            answers: 0,
        };
        session.answer()?;
        Ok(session)
    }
}

impl Paramiko {
    /// Runs a program and gives back its `result`; what it raises is an error, a [`RemoteError`].
    pub fn run(&mut self, program: &str) -> Result<Value> {
        self.begin(program)?;
        self.answer()
    }

    /// Begins to run a program; [`Paramiko::answer`] waits for it.
    pub fn begin(&mut self, program: &str) -> Result<()> {
        let line = serde_json::to_string(&unindented(program))?;
        writeln!(self.input, "{line}").with_context(|| self.process.story())
    }

    /// Waits for the next answer.
    pub fn answer(&mut self) -> Result<Value> {
        let nth = self.answers;
        self.answers += 1;
        let line = self.process.wait_for("the session answers", |said| {
            let mut whole = said
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            whole.nth(nth).map(str::to_owned)
        })?;
        let answer: Value =
            serde_json::from_str(&line).with_context(|| format!("reading {line}"))?;
        if let Some(message) = answer["error"].as_str() {
            bail!(RemoteError {
                kind: answer["kind"].as_str().unwrap_or_default().to_owned(),
                message: message.to_owned(),
                errno: answer["errno"].as_i64(),
            });
        }
        Ok(answer["result"].clone())
    }

    /// Ends the client at once: its connection breaks, with whatever was open in it.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// Waits until the server has ended the session.
    pub fn wait_until_ended(&mut self) -> Result<()> {
        wait::until_true("the server ends the session", || {
            let is_open = self.run("result = sftp.ssh.get_transport().is_active()")?;
            Ok(is_open == Value::Bool(false))
        })
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for RemoteError {}

/// Programs stand indented in tests.
fn unindented(program: &str) -> String {
    let lines = || program.lines().filter(|line| !line.trim().is_empty());
    let indent = lines()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = lines()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    lines.join("\n")
}
