//! Servers under measurement: started, found, stopped.

mod openssh;
mod quaymaster;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::client::Target;
use crate::keys::KeyPair;
use crate::plan::Contestant;

/// From the start of a process to the first connection; generous for a machine that compiles.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// From the request to end until it is ended by force.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const POLL_PAUSE: Duration = Duration::from_millis(20);

/// A server that takes connections; it ends with this value.
pub(crate) struct Server {
    pub(crate) contestant: Contestant,
    child: Child,
    pub(crate) target: Target,
    /// The folder for files, as the client names it.
    pub(crate) remote_folder: PathBuf,
}

impl Server {
    /// Starts one on a folder of its own.
    pub(crate) fn start(
        contestant: Contestant,
        binary: Option<&Path>,
        folder: &Path,
        client_key: &KeyPair,
    ) -> Result<Self> {
        let started = match contestant {
            Contestant::OpenSsh => openssh::start(folder, client_key),
            Contestant::Durable | Contestant::Unsynced => {
                let binary = binary.context("our server is not there")?;
                quaymaster::start(binary, folder, client_key, contestant)
            }
        };
        started.with_context(|| format!("starting {contestant}"))
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Asks, waits, and ends by force what does not listen.
fn stop(child: &mut Child) {
    let asked = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
    let deadline = Instant::now() + STOP_LIMIT;
    while asked && Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(POLL_PAUSE);
    }
    if child.kill().is_ok() {
        // Nothing is left to do if even this fails: the process is not ours any more.
        drop(child.wait());
    }
}

/// The end of a log, for an error message.
fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_listen_is_ended() {
        for script in ["exec tail -f /dev/null", "exit 0"] {
            let mut child = std::process::Command::new("sh")
                .args(["-c", script])
                .spawn()
                .unwrap();
            stop(&mut child);
            assert!(child.try_wait().unwrap().is_some());
        }
    }

    #[test]
    fn the_end_of_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(tail(&log), "");
        let lines: Vec<String> = (0..30).map(|i| i.to_string()).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        assert!(tail(&log).starts_with("10\n"));
    }
}
