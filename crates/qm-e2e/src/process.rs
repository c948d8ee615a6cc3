//! Processes of a world: each is ended by its own id, at the latest when it is dropped.

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// A client that takes longer hangs.
const RUN_LIMIT: Duration = Duration::from_mins(2);

/// How a program that was run to its end ended.
#[derive(Debug)]
pub struct Ran {
    /// What was run.
    pub command: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Ran {
    /// Itself if it succeeded, an error with everything it printed otherwise.
    pub fn ok(self) -> Result<Self> {
        if self.code == Some(0) {
            return Ok(self);
        }
        bail!("failed but should have succeeded: {self}")
    }

    /// Itself if it failed by its own decision, an error with everything it printed otherwise.
    pub fn failed(self) -> Result<Self> {
        match self.code {
            Some(code) if code != 0 => Ok(self),
            _ => bail!("did not fail as it should have: {self}"),
        }
    }

    /// An error unless it printed `part` somewhere.
    pub fn says(self, part: &str) -> Result<Self> {
        if self.stdout.contains(part) || self.stderr.contains(part) {
            return Ok(self);
        }
        bail!("did not say `{part}`: {self}")
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}` ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Result<Ran> {
    run_with_input(command, "")
}

/// Runs a program to its end with this on its standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Result<Ran> {
    let shown = shown(command);
    let folder = tempfile::tempdir().context("making a folder for a program's output")?;
    let input_file = folder.path().join("input");
    fs::write(&input_file, input)?;
    command.stdin(File::open(&input_file)?);
    let mut process = Background::start(command, folder.path(), "run")?;
    let status = process.wait_within(RUN_LIMIT)?;
    Ok(Ran {
        command: shown,
        code: status.code(),
        stdout: process.stdout()?,
        stderr: process.stderr()?,
    })
}

/// A program that runs beside the test; its output goes to files.
#[derive(Debug)]
pub struct Background {
    child: Child,
    shown: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Background {
    /// Starts it; `name` names the files for its output in `folder`.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Result<Self> {
        let shown = shown(command);
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let child = command
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("starting `{shown}`"))?;
        Ok(Self {
            child,
            shown,
            stdout,
            stderr,
        })
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> Result<String> {
        text(&self.stdout)
    }

    /// What it has complained of so far.
    pub fn stderr(&self) -> Result<String> {
        text(&self.stderr)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The way to its standard input, if that was asked for; once.
    pub fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("asking for `{}`", self.shown))
    }

    /// Waits until it ends by itself.
    pub fn wait_within(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("`{}` ends", self.shown);
        let ended = wait::until_within(limit, &what, || self.ended());
        ended.or_else(|error| bail!("{error:#}\n{}", self.story()))
    }

    /// Waits for something in its standard output; fails at once if it ends before.
    pub fn wait_for<T>(&mut self, what: &str, look: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = wait::until(what, || {
            // First, so that what it said last is not overlooked.
            let ended = self.ended()?;
            match (look(&self.stdout()?), ended) {
                (Some(found), _) => Ok(Some(found)),
                (None, Some(status)) => bail!("it ended with {status}"),
                (None, None) => Ok(None),
            }
        });
        found.or_else(|error| bail!("{error:#}\n{}", self.story()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let id = id.context("a process has an id")?;
        kill_process(id, signal).with_context(|| format!("signalling `{}`", self.shown))
    }

    /// Ends it at once, as a power switch would.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("killing `{}`", self.shown))?;
        self.child.wait()?;
        Ok(())
    }

    /// What it was and what it said, for messages.
    pub fn story(&self) -> String {
        let read = |said: Result<String>| said.unwrap_or_else(|error| format!("{error:#}"));
        format!(
            "`{}` said\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            read(self.stdout()),
            read(self.stderr())
        )
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to be done about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Programs may print bytes that are not text.
fn text(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            // A program given in full would hide what matters.
            if word.contains('\n') {
                "…".to_owned()
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// For a command that must never wait for a person.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}
