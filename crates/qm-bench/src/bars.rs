//! The bars: what the front must reach beside OpenSSH before anything else is built on it, and
//! what it must not lose over an object store.

use crate::measure::Measured;
use crate::plan::{Contestant, Direction, Place, Work};
use crate::report::{Medians, medians, to_float};

/// A figure beside its bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
}

/// What is asked of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Verdict {
    pub(crate) fn is_reached(&self) -> bool {
        match self.bar {
            Bar::AtLeast(bar) => self.measured >= bar,
            Bar::AtMost(bar) => self.measured <= bar,
        }
    }
}

/// Ours as shipped against OpenSSH, which syncs nothing; over S3 against rclone, and sealed
/// against not sealed. `idle_sessions`: how many of them share what was measured.
pub(crate) fn judge(results: &[Measured], idle_sessions: u32) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for measured in results {
        let medians = medians(measured);
        let what = crate::report::named(measured.workload);
        for (pair, figure, bar) in bars(measured.workload.place, measured.workload.work) {
            let (ours, reference) = pair.contestants();
            if let (Some(ours), Some(reference)) = (medians.get(&ours), medians.get(&reference)) {
                verdicts.push(Verdict {
                    what: format!("{what}: {}{}", figure.label(), pair.label()),
                    measured: figure.of(reference, ours, idle_sessions),
                    unit: figure.unit(),
                    bar,
                });
            }
        }
    }
    verdicts
}

/// Who is compared with whom.
#[derive(Clone, Copy)]
enum Pair {
    OpenSsh,
    Rclone,
    /// Nobody: the figure is ours alone.
    Nobody,
    /// Sealed with not sealed, both ours.
    Sealing,
}

impl Pair {
    /// Ours first.
    fn contestants(self) -> (Contestant, Contestant) {
        match self {
            Self::OpenSsh => (Contestant::Durable, Contestant::OpenSsh),
            Self::Rclone => (Contestant::OnS3, Contestant::Rclone),
            Self::Nobody => (Contestant::OnS3, Contestant::OnS3),
            Self::Sealing => (Contestant::SealedOnS3, Contestant::OnS3),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::OpenSsh | Self::Rclone | Self::Nobody => "",
            Self::Sealing => ", sealed against not sealed",
        }
    }
}

#[derive(Clone, Copy)]
enum Figure {
    /// How many times the reference's CPU is ours: below 1 is better.
    Cpu,
    /// How many times our CPU is the reference's: above 1 is better.
    CpuSaved,
    /// How many times the reference's throughput is ours: above 1 is better.
    Throughput,
    /// What is held at most, of all memory.
    Peak,
    /// What is held at most, besides what is held when nothing is asked.
    AboveIdle,
    /// What one open session holds.
    Session,
}

impl Figure {
    fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::CpuSaved => "CPU saved",
            Self::Throughput => "throughput",
            Self::Peak => "peak memory",
            Self::AboveIdle => "peak memory above idle",
            Self::Session => "memory a session",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::CpuSaved | Self::Throughput => "",
            Self::Peak | Self::AboveIdle => " MiB",
            Self::Session => " KiB",
        }
    }

    fn of(self, reference: &Medians, ours: &Medians, idle_sessions: u32) -> f64 {
        match self {
            Self::Cpu => ours.cpu_seconds / reference.cpu_seconds,
            Self::CpuSaved => reference.cpu_seconds / ours.cpu_seconds,
            Self::Throughput => reference.wall_seconds / ours.wall_seconds,
            Self::Peak => to_float(ours.peak_memory_bytes) / to_float(1 << 20),
            Self::AboveIdle => to_float(ours.above_idle_bytes) / to_float(1 << 20),
            Self::Session => {
                to_float(ours.above_idle_bytes) / to_float(1 << 10) / f64::from(idle_sessions)
            }
        }
    }
}

fn bars(place: Place, work: Work) -> Vec<(Pair, Figure, Bar)> {
    match place {
        Place::Memory | Place::Disk => beside_openssh(place, work)
            .into_iter()
            .map(|(figure, bar)| (Pair::OpenSsh, figure, bar))
            .collect(),
        Place::S3 | Place::Discarding => over_s3(work),
    }
}

fn beside_openssh(place: Place, work: Work) -> Vec<(Figure, Bar)> {
    match (place, work) {
        (_, Work::Bulk(Direction::Up, _)) => vec![
            (Figure::Throughput, Bar::AtLeast(1.2)),
            (Figure::Cpu, Bar::AtMost(0.9)),
        ],
        (_, Work::Bulk(Direction::Down, _)) => vec![
            (Figure::Throughput, Bar::AtLeast(1.0)),
            (Figure::Cpu, Bar::AtMost(0.7)),
        ],
        (_, Work::Connects) => vec![(Figure::CpuSaved, Bar::AtLeast(10.0))],
        (_, Work::ManyClients(direction)) => vec![
            match direction {
                Direction::Up => (Figure::Throughput, Bar::AtLeast(1.5)),
                Direction::Down => (Figure::Throughput, Bar::AtLeast(1.0)),
            },
            (Figure::AboveIdle, Bar::AtMost(64.0)),
        ],
        (_, Work::IdleSessions) => vec![(Figure::Session, Bar::AtMost(128.0))],
        (Place::Memory, Work::SmallFiles { .. }) => vec![(Figure::Throughput, Bar::AtLeast(0.8))],
        // One session that waits for each CLOSE is as fast as the disk syncs, whatever we do.
        (Place::Disk, Work::SmallFiles { sessions: 1 }) => Vec::new(),
        (Place::Disk, Work::SmallFiles { .. }) => vec![(Figure::Throughput, Bar::AtLeast(0.3))],
        (Place::S3 | Place::Discarding, _) | (_, Work::Listing | Work::LongFiles) => Vec::new(),
    }
}

/// No slower and no dearer than rclone, which records nothing; sealing costs a quarter at most.
fn over_s3(work: Work) -> Vec<(Pair, Figure, Bar)> {
    match work {
        Work::Bulk(..) => vec![
            (Pair::Rclone, Figure::Throughput, Bar::AtLeast(1.0)),
            (Pair::Rclone, Figure::Cpu, Bar::AtMost(1.0)),
            (Pair::Sealing, Figure::Cpu, Bar::AtMost(1.25)),
        ],
        Work::SmallFiles { .. } => vec![(Pair::Rclone, Figure::Throughput, Bar::AtLeast(1.0))],
        Work::ManyClients(_) => vec![
            (Pair::Rclone, Figure::Throughput, Bar::AtLeast(1.0)),
            (Pair::Rclone, Figure::Peak, Bar::AtMost(512.0)),
            (Pair::Sealing, Figure::Peak, Bar::AtMost(512.0)),
        ],
        // However many clients there are, and however long their files.
        Work::LongFiles => vec![
            (Pair::Nobody, Figure::Peak, Bar::AtMost(512.0)),
            (Pair::Sealing, Figure::Peak, Bar::AtMost(512.0)),
        ],
        Work::Listing => vec![
            (Pair::Rclone, Figure::Throughput, Bar::AtLeast(1.0)),
            // A page, not the folder.
            (Pair::Rclone, Figure::AboveIdle, Bar::AtMost(16.0)),
        ],
        Work::Connects | Work::IdleSessions => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;
    use crate::plan::{Cipher, Workload};
    use std::time::Duration;

    fn measured(place: Place, work: Work, figures: &[(Contestant, u64, u64)]) -> Measured {
        Measured {
            workload: Workload { place, work },
            samples: figures
                .iter()
                .map(|(contestant, wall_ms, cpu_ms)| {
                    let sample = Sample {
                        wall: Duration::from_millis(*wall_ms),
                        cpu: Duration::from_millis(*cpu_ms),
                        idle_memory_bytes: 10 << 20,
                        peak_memory_bytes: 73 << 20,
                    };
                    (*contestant, sample)
                })
                .collect(),
            failures: Vec::new(),
        }
    }

    #[track_caller]
    fn check(place: Place, work: Work, ours: (u64, u64), expect: &[(f64, bool)]) {
        let results = [measured(
            place,
            work,
            &[
                (Contestant::OpenSsh, 1_000, 1_000),
                (Contestant::Durable, ours.0, ours.1),
                (Contestant::Unsynced, 1, 1),
            ],
        )];
        let found: Vec<(f64, bool)> = judge(&results, 504)
            .iter()
            .map(|v| (v.measured, v.is_reached()))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn verdicts() {
        let up = Work::Bulk(Direction::Up, Cipher::ChaCha20);
        check(Place::Memory, up, (500, 900), &[(2.0, true), (0.9, true)]);
        check(
            Place::Memory,
            up,
            (1_000, 1_250),
            &[(1.0, false), (1.25, false)],
        );
        let down = Work::Bulk(Direction::Down, Cipher::ChaCha20);
        check(
            Place::Memory,
            down,
            (1_000, 750),
            &[(1.0, true), (0.75, false)],
        );
        let one = Work::SmallFiles { sessions: 1 };
        check(Place::Memory, one, (1_250, 1), &[(0.8, true)]);
        check(Place::Disk, one, (9_000, 1), &[]);
        let many = Work::SmallFiles { sessions: 16 };
        check(Place::Disk, many, (2_500, 1), &[(0.4, true)]);
        check(Place::Disk, many, (4_000, 1), &[(0.25, false)]);
        check(Place::Memory, Work::Connects, (1_000, 100), &[(10.0, true)]);
        check(Place::Memory, Work::Connects, (1, 125), &[(8.0, false)]);
        let clients = Work::ManyClients(Direction::Up);
        check(
            Place::Memory,
            clients,
            (800, 1),
            &[(1.25, false), (63.0, true)],
        );
        check(Place::Memory, Work::IdleSessions, (1, 1), &[(128.0, true)]);
    }

    #[test]
    fn verdicts_over_a_store() {
        let bulk = Work::Bulk(Direction::Up, Cipher::Aes128Gcm);
        let results = [measured(
            Place::S3,
            bulk,
            &[
                (Contestant::Rclone, 2_000, 1_000),
                (Contestant::OnS3, 1_000, 500),
                (Contestant::SealedOnS3, 1_000, 750),
            ],
        )];
        let found: Vec<(f64, bool)> = judge(&results, 1)
            .iter()
            .map(|v| (v.measured, v.is_reached()))
            .collect();
        assert_eq!(found, [(2.0, true), (0.5, true), (1.5, false)]);
    }

    #[test]
    fn memory_has_a_bar_of_its_own() {
        let figures = [
            (Contestant::OnS3, 1_000, 500),
            (Contestant::SealedOnS3, 1_000, 500),
        ];
        let results = [measured(Place::Discarding, Work::LongFiles, &figures)];
        let found = judge(&results, 1);
        assert_eq!(found.len(), 2);
        for verdict in found {
            assert_eq!((verdict.measured, verdict.unit), (73.0, " MiB"));
            assert_eq!(verdict.bar, Bar::AtMost(512.0));
        }
    }

    #[test]
    fn without_our_server_there_is_no_verdict() {
        let results = [measured(
            Place::Memory,
            Work::Connects,
            &[(Contestant::OpenSsh, 1, 1)],
        )];
        assert_eq!(judge(&results, 1), []);
    }
}
