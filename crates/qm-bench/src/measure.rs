//! The measuring itself: servers side by side, turn by turn.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{Context, SHA256};
use qm_testkit::DiscardingS3;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::amount::Amount;
use crate::client::{quoted, run_at_once};
use crate::files;
use crate::keys::KeyPair;
use crate::many_clients::{self, SHARED};
use crate::options::Options;
use crate::plan::{
    Cipher, Contestant, Direction, Place, SMALL_FILE_BYTES, Subject, Work, Workload, takes_part,
};
use crate::process::{Watch, resident_bytes};
use crate::report::named;
use crate::server::gateway::Gateway;
use crate::server::{Equipment, Server, Store};

pub(crate) use crate::files::temporary_folder;

/// The folder whose names are listed.
const LISTED: &str = "listed";
/// A file system in memory on every Linux.
pub(crate) const TMPFS: &str = "/dev/shm";
/// The file that is sent, the copy that comes back, and at each server one to download and one
/// being uploaded.
const BULK_COPIES: u64 = 2 + 2 * 3;

/// One run of one workload against one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// What it held before anybody came; for what sessions cost, before they were opened.
    pub(crate) idle_memory_bytes: u64,
    pub(crate) peak_memory_bytes: u64,
}

/// All runs of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) workload: Workload,
    pub(crate) samples: Vec<(Contestant, Sample)>,
    /// One for each run that one of the others failed.
    pub(crate) failures: Vec<Contestant>,
}

/// The client's side: the files it sends, the key it shows.
struct Client {
    folder: TempDir,
    key: KeyPair,
    amount: Amount,
}

pub(crate) fn all(subject: Subject, options: &Options<Amount>) -> Result<Vec<Measured>> {
    let client = Client::prepare(options.amount)?;
    let mut results = Vec::new();
    for place in Place::of(subject) {
        let parent = match place {
            Place::Memory | Place::S3 => Path::new(TMPFS),
            Place::Disk | Place::Discarding => &options.disk,
        };
        let folder = temporary_folder(parent)?;
        let store = match place {
            Place::Memory | Place::Disk => None,
            Place::S3 => {
                let gateway = Gateway::start(options.gateway()?, folder.path())?;
                // Before anybody looks: rclone remembers what was not there.
                for contestant in Contestant::of(subject) {
                    if takes_part(contestant, Work::Listing) {
                        let listed = gateway.folder(contestant).join(LISTED);
                        files::fill_folder(&listed, options.amount.listed_names)?;
                    }
                }
                Some(Store::Keeping(gateway))
            }
            Place::Discarding => Some(Store::Discarding(DiscardingS3::start()?)),
        };
        let wanted = |w: &Workload| w.place == *place && options.wants(&named(*w));
        // Memory that other work gave back to the allocator would be taken for that of a page.
        let (listing, others): (Vec<_>, Vec<_>) = crate::plan::workloads(subject)
            .into_iter()
            .filter(wanted)
            .partition(|workload| workload.work == Work::Listing);
        for (own, workloads) in [("1", others), ("2", listing)] {
            if workloads.is_empty() {
                continue;
            }
            let folder = folder.path().join(own);
            let contestants: Vec<_> = Contestant::of(subject)
                .into_iter()
                .filter(|who| workloads.iter().any(|w| takes_part(*who, w.work)))
                .collect();
            let servers = start_servers(contestants, options, &folder, store.as_ref(), &client)?;
            for workload in workloads {
                results.push(client.measure(workload, &servers)?);
            }
        }
    }
    Ok(results)
}

/// What the SHA-256 of a GiB takes on one core, by the library that the server has.
pub(crate) fn digest_seconds() -> f64 {
    let block = vec![7; 256 << 10];
    let begin = Instant::now();
    let mut digest = Context::new(&SHA256);
    for _ in 0..1024 {
        digest.update(&block);
    }
    std::hint::black_box(digest.finish());
    begin.elapsed().as_secs_f64() * 4.0
}

impl Client {
    fn prepare(amount: Amount) -> Result<Self> {
        let free = rustix::fs::statvfs(TMPFS).context("looking for space in memory")?;
        let needed = BULK_COPIES * amount.bulk_bytes + amount.long_bytes;
        ensure!(
            free.f_bavail * free.f_frsize > needed,
            "{TMPFS} needs {} MiB free",
            needed >> 20
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
        files::fill(&client.share(), amount.share_bytes())?;
        Ok(client)
    }

    fn bulk(&self) -> PathBuf {
        self.folder.path().join("bulk")
    }

    fn small(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    /// Each of many clients sends or gets this.
    fn share(&self) -> PathBuf {
        self.folder.path().join("share")
    }

    /// Each of many clients sends this, which is much longer.
    fn long(&self) -> PathBuf {
        self.folder.path().join("long")
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    /// Every server in every round, each round beginning with another.
    fn measure(&self, workload: Workload, servers: &[Server]) -> Result<Measured> {
        let what = named(workload);
        let (mut samples, mut failures) = (Vec::new(), Vec::new());
        let servers: Vec<&Server> = servers
            .iter()
            .filter(|server| takes_part(server.contestant, workload.work))
            .collect();
        for server in &servers {
            self.before(workload, server)
                .with_context(|| format!("preparing {what} at {}", server.contestant))?;
        }
        for round in 0..self.rounds(workload.work) {
            for turn in 0..servers.len() {
                let server = servers[(round + turn) % servers.len()];
                let sample = match self.run(workload.work, server, round) {
                    Err(error) if server.contestant.is_foreign() => {
                        eprintln!(
                            "{what}, round {}: {} failed: {error:#}",
                            round + 1,
                            server.contestant
                        );
                        failures.push(server.contestant);
                        continue;
                    }
                    sample => sample.with_context(|| format!("{what} at {}", server.contestant))?,
                };
                eprintln!(
                    "{what}, round {}: {} {:.3} s, CPU {:.3} s, {} of {} KiB",
                    round + 1,
                    server.contestant,
                    sample.wall.as_secs_f64(),
                    sample.cpu.as_secs_f64(),
                    sample
                        .peak_memory_bytes
                        .saturating_sub(sample.idle_memory_bytes)
                        >> 10,
                    sample.peak_memory_bytes >> 10
                );
                samples.push((server.contestant, sample));
            }
        }
        Ok(Measured {
            workload,
            samples,
            failures,
        })
    }

    fn rounds(&self, work: Work) -> usize {
        match work {
            // A second look would be answered from what rclone remembers, and second sessions
            // from memory that the first ones gave back.
            Work::Listing | Work::IdleSessions => 1,
            // Minutes, and what is held is the same each time.
            Work::LongFiles => 1,
            Work::Bulk(..) | Work::Connects | Work::SmallFiles { .. } | Work::ManyClients(_) => {
                self.amount.rounds
            }
        }
    }

    /// What must be there before the first round.
    fn before(&self, workload: Workload, server: &Server) -> Result<()> {
        match workload.work {
            Work::Bulk(Direction::Down, cipher) => {
                let batch = put(&self.bulk(), &server.remote_folder.join("down"));
                server.target.run(cipher, &batch)
            }
            Work::ManyClients(Direction::Down) => {
                let batch = put(&self.share(), &server.remote_folder.join(SHARED));
                server.target.run(Cipher::Aes128Gcm, &batch)
            }
            Work::LongFiles if !self.long().exists() => {
                files::fill(&self.long(), self.amount.long_bytes)
            }
            // What a server makes once is not what a session costs.
            Work::IdleSessions => server.target.run(Cipher::Aes128Gcm, "pwd\n"),
            Work::Bulk(Direction::Up, _)
            | Work::Connects
            | Work::SmallFiles { .. }
            | Work::ManyClients(Direction::Up)
            | Work::LongFiles
            | Work::Listing => Ok(()),
        }
    }

    fn run(&self, work: Work, server: &Server, round: usize) -> Result<Sample> {
        match work {
            Work::Bulk(Direction::Up, cipher) => {
                let remote = server.remote_folder.join("up");
                let batch = put(&self.bulk(), &remote);
                let sample = timed(server, || server.target.run(cipher, &batch))?;
                if let (0, Some(objects)) = (round, server.objects_in_clear()) {
                    files::ensure_same(&self.bulk(), &objects.join("up"))?;
                }
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
            Work::ManyClients(Direction::Up) => many_clients::send(server, &self.share()),
            Work::ManyClients(Direction::Down) => many_clients::get(server, self.folder.path()),
            Work::LongFiles => many_clients::send(server, &self.long()),
            Work::IdleSessions => self.idle_sessions(server),
            Work::Listing => self.listing(server),
            Work::Connects => timed(server, || {
                (0..self.amount.connects)
                    .try_for_each(|_| server.target.run(Cipher::Aes128Gcm, "pwd\n"))
            }),
        }
    }

    fn small_files(&self, server: &Server, round: usize, sessions: u32) -> Result<Sample> {
        let folder = server
            .remote_folder
            .join(format!("small-{sessions}-{round}"));
        let make = format!("mkdir {}\n", quoted(&folder));
        server.target.run(Cipher::Aes128Gcm, &make)?;
        let batches = self.small_batches(&folder, sessions);
        timed(server, || run_at_once(&server.target, &batches))
    }

    /// The peak is what is held while all sessions are open and at rest: what a login takes for a
    /// moment is not what a session costs.
    fn idle_sessions(&self, server: &Server) -> Result<Sample> {
        let before = resident_bytes(server.process())?;
        let mut held = 0;
        let sample = timed(server, || {
            let open = |index| server.target.start_bare(Cipher::Aes128Gcm, index);
            let sessions: Vec<_> = (0..self.amount.idle_sessions)
                .map(open)
                .collect::<Result<_>>()?;
            held = resident_bytes(server.process())?;
            drop(sessions);
            Ok(())
        })?;
        Ok(Sample {
            idle_memory_bytes: before,
            peak_memory_bytes: held,
            ..sample
        })
    }

    /// Timed is the first page; all of it is read.
    fn listing(&self, server: &Server) -> Result<Sample> {
        let mut listed = None;
        let sample = timed(server, || {
            let mut session = server.target.start_bare(Cipher::Aes128Gcm, 0)?;
            listed = Some(session.list(&server.remote_folder.join(LISTED))?);
            Ok(())
        })?;
        let listed = listed.context("a listing that succeeded")?;
        eprintln!(
            "{} names in {:.3} s",
            listed.names,
            listed.whole.as_secs_f64()
        );
        // Some servers list the folder itself and the one above.
        let names = self.amount.listed_names;
        ensure!(
            (names..=names + 2).contains(&listed.names),
            "{} names of {names}",
            listed.names
        );
        Ok(Sample {
            wall: listed.first_page,
            ..sample
        })
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

fn start_servers(
    contestants: Vec<Contestant>,
    options: &Options<Amount>,
    folder: &Path,
    store: Option<&Store>,
    client: &Client,
) -> Result<Vec<Server>> {
    let equipment = Equipment {
        binary: options.server.as_deref(),
        store,
        client_key: &client.key,
    };
    contestants
        .into_iter()
        .filter(|contestant| contestant.is_foreign() || options.server.is_some())
        .map(|contestant| {
            let own = folder.join(format!("{contestant:?}").to_lowercase());
            std::fs::create_dir_all(&own).context("making a server's folder")?;
            Server::start(contestant, &own, &equipment)
        })
        .collect()
}

pub(crate) fn timed(server: &Server, work: impl FnOnce() -> Result<()>) -> Result<Sample> {
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
        idle_memory_bytes: server.idle_memory_bytes,
        peak_memory_bytes: usage.peak_memory_bytes,
    })
}

pub(crate) fn put(local: &Path, remote: &Path) -> String {
    format!("put {} {}\n", quoted(local), quoted(remote))
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
                long_bytes: 1,
                small_files: 10,
                connects: 2,
                idle_sessions: 2,
                listed_names: 2,
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
