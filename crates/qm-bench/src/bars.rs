//! The first bar: what the front must reach beside OpenSSH before anything else is built on it.

use crate::measure::Measured;
use crate::plan::{Contestant, Direction, Place, Work};
use crate::report::{Medians, medians};

/// A figure beside its bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) bar: Bar,
}

/// What is asked of a ratio.
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

/// Ours as shipped against OpenSSH, which syncs nothing.
pub(crate) fn judge(results: &[Measured]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for measured in results {
        let medians = medians(measured);
        let (Some(reference), Some(ours)) = (
            medians.get(&Contestant::OpenSsh),
            medians.get(&Contestant::Durable),
        ) else {
            continue;
        };
        let what = crate::report::named(measured.workload);
        for (figure, bar) in bars(measured.workload.place, measured.workload.work) {
            let (label, measured) = figure.of(reference, ours);
            verdicts.push(Verdict {
                what: format!("{what}: {label}"),
                measured,
                bar,
            });
        }
    }
    verdicts
}

#[derive(Clone, Copy)]
enum Figure {
    /// How many times OpenSSH's CPU is ours: below 1 is better.
    Cpu,
    /// How many times our CPU is OpenSSH's: above 1 is better.
    CpuSaved,
    /// How many times OpenSSH's throughput is ours: above 1 is better.
    Throughput,
}

impl Figure {
    fn of(self, reference: &Medians, ours: &Medians) -> (&'static str, f64) {
        match self {
            Self::Cpu => ("CPU", ours.cpu_seconds / reference.cpu_seconds),
            Self::CpuSaved => ("CPU saved", reference.cpu_seconds / ours.cpu_seconds),
            Self::Throughput => ("throughput", reference.wall_seconds / ours.wall_seconds),
        }
    }
}

fn bars(place: Place, work: Work) -> Vec<(Figure, Bar)> {
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
        (Place::Memory, Work::SmallFiles { .. }) => vec![(Figure::Throughput, Bar::AtLeast(0.8))],
        // One session that waits for each CLOSE is as fast as the disk syncs, whatever we do.
        (Place::Disk, Work::SmallFiles { sessions: 1 }) => Vec::new(),
        (Place::Disk, Work::SmallFiles { .. }) => vec![(Figure::Throughput, Bar::AtLeast(0.3))],
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
                        peak_memory_bytes: 1,
                    };
                    (*contestant, sample)
                })
                .collect(),
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
        let found: Vec<(f64, bool)> = judge(&results)
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
    }

    #[test]
    fn without_our_server_there_is_no_verdict() {
        let results = [measured(
            Place::Memory,
            Work::Connects,
            &[(Contestant::OpenSsh, 1, 1)],
        )];
        assert_eq!(judge(&results), []);
    }
}
