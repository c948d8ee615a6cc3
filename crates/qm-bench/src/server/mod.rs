//! Servers under measurement: started, found, stopped.

pub(crate) mod gateway;
mod openssh;
pub(crate) mod quaymaster;
mod rclone;

use anyhow::{Context, Result};
use qm_testkit::DiscardingS3;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::client::Target;
use crate::keys::KeyPair;
use crate::plan::Contestant;
use crate::process::resident_bytes;
use gateway::Gateway;

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
    /// On an S3 server that keeps them: where the objects in that folder lie as files.
    pub(crate) objects: Option<PathBuf>,
    /// What it held before anybody came.
    pub(crate) idle_memory_bytes: u64,
}

/// The S3 server that all contestants write into.
pub(crate) enum Store {
    Keeping(Gateway),
    Discarding(DiscardingS3),
}

impl Store {
    /// A contestant's own as the table of a bucket has it.
    fn lines(&self, contestant: Contestant) -> String {
        match self {
            Self::Keeping(gateway) => gateway.lines(contestant),
            Self::Discarding(server) => gateway::lines(&server.endpoint(), contestant),
        }
    }

    fn gateway(&self) -> Option<&Gateway> {
        match self {
            Self::Keeping(gateway) => Some(gateway),
            Self::Discarding(_) => None,
        }
    }
}

/// What servers are started with.
pub(crate) struct Equipment<'a> {
    /// Our binary.
    pub(crate) binary: Option<&'a Path>,
    pub(crate) store: Option<&'a Store>,
    pub(crate) client_key: &'a KeyPair,
}

impl Server {
    /// Starts one on a folder of its own.
    pub(crate) fn start(
        contestant: Contestant,
        folder: &Path,
        equipment: &Equipment<'_>,
    ) -> Result<Self> {
        let started = match contestant {
            Contestant::OpenSsh => openssh::start(folder, equipment.client_key),
            Contestant::Rclone => {
                let gateway = equipment.store.and_then(Store::gateway);
                let gateway = gateway.context("the S3 server is not there")?;
                rclone::start(folder, equipment.client_key, gateway)
            }
            Contestant::Durable
            | Contestant::Unsynced
            | Contestant::OnS3
            | Contestant::SealedOnS3 => quaymaster::start(contestant, folder, equipment),
        };
        let mut server = started.with_context(|| format!("starting {contestant}"))?;
        server.idle_memory_bytes = resident_bytes(server.process())?;
        Ok(server)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where what was uploaded lies as it was sent.
    pub(crate) fn objects_in_clear(&self) -> Option<&Path> {
        self.objects
            .as_deref()
            .filter(|_| self.contestant != Contestant::SealedOnS3)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Asks, waits, and ends by force what does not listen.
pub(crate) fn stop(child: &mut Child) {
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

/// Not every server can be asked for any free port: it gets one that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a port")?;
    Ok(listener.local_addr()?.port())
}

/// The end of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
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
