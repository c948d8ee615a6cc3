//! The measuring itself: servers side by side, turn by turn.

use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::client::{Target, quoted};
use crate::files;
use crate::keys::KeyPair;
use crate::options::{Amount, Options};
use crate::plan::{Cipher, Contestant, Direction, Place, SMALL_FILE_BYTES, Work, Workload};
use crate::process::Watch;
use crate::server::Server;

/// A file system in memory on every Linux.
const TMPFS: &str = "/dev/shm";
/// The file that is sent, the copy that comes back, and at each server one to download and one
/// being uploaded.
const BULK_COPIES: u64 = 2 + 2 * 3;

/// One run of one workload against one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_memory_bytes: u64,
}

/// All runs of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) workload: Workload,
    pub(crate) samples: Vec<(Contestant, Sample)>,
}

/// The client's side: the files it sends, the key it shows.
struct Client {
    folder: TempDir,
    key: KeyPair,
    amount: Amount,
}

pub(crate) fn all(options: &Options) -> Result<Vec<Measured>> {
    let client = Client::prepare(options.amount)?;
    let mut results = Vec::new();
    for place in Place::ALL {
        let parent = match place {
            Place::Memory => Path::new(TMPFS),
            Place::Disk => &options.disk,
        };
        let folder = temporary_folder(parent)?;
        let servers = start_servers(options, folder.path(), &client)?;
        let workloads = crate::plan::workloads();
        for workload in workloads.into_iter().filter(|w| w.place == place) {
            results.push(client.measure(workload, &servers)?);
        }
    }
    Ok(results)
}

impl Client {
    fn prepare(amount: Amount) -> Result<Self> {
        let free = rustix::fs::statvfs(TMPFS).context("looking for space in memory")?;
        ensure!(
            free.f_bavail * free.f_frsize > BULK_COPIES * amount.bulk_bytes,
            "{TMPFS} needs {} MiB free",
            (BULK_COPIES * amount.bulk_bytes) >> 20
        );
        let folder = temporary_folder(Path::new(TMPFS))?;
        let key = KeyPair::generate(&folder.path().join("key"))?;
        let client = Self {
            folder,
            key,
            amount,
        };
        files::fill(&client.bulk(), amount.bulk_bytes)?;
        files::fill(&client.small(), SMALL_FILE_BYTES)?;
        Ok(client)
    }

    fn bulk(&self) -> PathBuf {
        self.folder.path().join("bulk")
    }

    fn small(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    /// Every server in every round, each round beginning with another.
    fn measure(&self, workload: Workload, servers: &[Server]) -> Result<Measured> {
        let what = crate::report::named(workload);
        let mut samples = Vec::new();
        for server in servers {
            self.before(workload, server)
                .with_context(|| format!("preparing {what} at {}", server.contestant))?;
        }
        for round in 0..self.amount.rounds {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                let sample = self
                    .run(workload.work, server, round)
                    .with_context(|| format!("{what} at {}", server.contestant))?;
                println!(
                    "{what}, round {}: {} {:.3} s, CPU {:.3} s",
                    round + 1,
                    server.contestant,
                    sample.wall.as_secs_f64(),
                    sample.cpu.as_secs_f64()
                );
                samples.push((server.contestant, sample));
            }
        }
        Ok(Measured { workload, samples })
    }

    /// What must be there before the first round.
    fn before(&self, workload: Workload, server: &Server) -> Result<()> {
        match workload.work {
            Work::Bulk(Direction::Down, cipher) => {
                let batch = put(&self.bulk(), &server.remote_folder.join("down"));
                server.target.run(cipher, &batch)
            }
            Work::Bulk(Direction::Up, _) | Work::Connects | Work::SmallFiles { .. } => Ok(()),
        }
    }

    fn run(&self, work: Work, server: &Server, round: usize) -> Result<Sample> {
        match work {
            Work::Bulk(Direction::Up, cipher) => {
                let remote = server.remote_folder.join("up");
                let batch = put(&self.bulk(), &remote);
                let sample = timed(server, || server.target.run(cipher, &batch))?;
                let remove = format!("rm {}\n", quoted(&remote));
                server.target.run(cipher, &remove)?;
                Ok(sample)
            }
            Work::Bulk(Direction::Down, cipher) => {
                let remote = server.remote_folder.join("down");
                let batch = format!("get {} {}\n", quoted(&remote), quoted(&self.received()));
                let sample = timed(server, || server.target.run(cipher, &batch))?;
                if round == 0 {
                    files::ensure_same(&self.bulk(), &self.received())?;
                }
                std::fs::remove_file(self.received())?;
                Ok(sample)
            }
            Work::SmallFiles { sessions } => self.small_files(server, round, sessions),
            Work::Connects => timed(server, || {
                (0..self.amount.connects)
                    .try_for_each(|_| server.target.run(Cipher::Aes256Gcm, "pwd\n"))
            }),
        }
    }

    fn small_files(&self, server: &Server, round: usize, sessions: u32) -> Result<Sample> {
        let folder = server
            .remote_folder
            .join(format!("small-{sessions}-{round}"));
        let make = format!("mkdir {}\n", quoted(&folder));
        server.target.run(Cipher::Aes256Gcm, &make)?;
        let batches = self.small_batches(&folder, sessions);
        timed(server, || run_at_once(&server.target, &batches))
    }

    fn small_batches(&self, folder: &Path, sessions: u32) -> Vec<String> {
        let small = quoted(&self.small());
        (0..sessions)
            .map(|session| {
                let mut batch = String::new();
                for file in (session..self.amount.small_files).step_by(sessions as usize) {
                    let remote = quoted(&folder.join(format!("{file:05}.csv")));
                    // Writing to a String cannot fail.
                    let _ = writeln!(batch, "put {small} {remote}");
                }
                batch
            })
            .collect()
    }
}

fn start_servers(options: &Options, folder: &Path, client: &Client) -> Result<Vec<Server>> {
    Contestant::ALL
        .into_iter()
        .filter(|c| *c == Contestant::OpenSsh || options.server.is_some())
        .map(|contestant| {
            let own = folder.join(format!("{contestant:?}").to_lowercase());
            std::fs::create_dir_all(&own).context("making a server's folder")?;
            Server::start(contestant, options.server.as_deref(), &own, &client.key)
        })
        .collect()
}

fn timed(server: &Server, work: impl FnOnce() -> Result<()>) -> Result<Sample> {
    let watch = Watch::start(server.process())?;
    let begin = Instant::now();
    let done = work();
    let wall = begin.elapsed();
    let usage = watch.finish();
    done?;
    let usage = usage?;
    Ok(Sample {
        wall,
        cpu: usage.cpu,
        peak_memory_bytes: usage.peak_memory_bytes,
    })
}

fn run_at_once(target: &Target, batches: &[String]) -> Result<()> {
    let sessions: Vec<_> = (0..)
        .zip(batches)
        .map(|(index, batch)| target.start(Cipher::Aes256Gcm, index, batch))
        .collect();
    // All are waited for before the first error is told: none may run into the next measurement.
    let ended: Vec<Result<()>> = sessions
        .into_iter()
        .map(|session| session.and_then(crate::client::Session::finish))
        .collect();
    ended.into_iter().collect()
}

fn put(local: &Path, remote: &Path) -> String {
    format!("put {} {}\n", quoted(local), quoted(remote))
}

fn temporary_folder(parent: &Path) -> Result<TempDir> {
    std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    tempfile::Builder::new()
        .prefix("qm-bench-")
        .tempdir_in(parent)
        .with_context(|| format!("making a folder in {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let folder = tempfile::tempdir().unwrap();
        Client {
            key: KeyPair {
                private_file: folder.path().join("key"),
                public_line: String::new(),
            },
            folder,
            amount: Amount {
                bulk_bytes: 300_000,
                small_files: 10,
                connects: 2,
                rounds: 1,
            },
        }
    }

    #[test]
    fn every_small_file_is_in_exactly_one_batch() {
        let client = client();
        for sessions in [1, 3, 16] {
            let batches = client.small_batches(Path::new("/d"), sessions);
            assert_eq!(batches.len(), sessions as usize);
            let mut names: Vec<String> = batches
                .iter()
                .flat_map(|batch| batch.lines())
                .map(|line| line.rsplit('/').next().unwrap().to_owned())
                .collect();
            names.sort();
            let expect: Vec<String> = (0..10).map(|i| format!("{i:05}.csv\"")).collect();
            assert_eq!(names, expect);
        }
    }
}
