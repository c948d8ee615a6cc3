//! The tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::amount::Amount;
use crate::bars::{Bar, Verdict};
use crate::measure::{Measured, Sample};
use crate::plan::{
    CLIENTS, Cipher, Contestant, Direction, SMALL_FILE_BYTES, Subject, Work, Workload,
};

/// The middle of all rounds, each figure by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Medians {
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory_bytes: u64,
    /// The peak without what was held before the work began.
    pub(crate) above_idle_bytes: u64,
}

pub(crate) fn medians(measured: &Measured) -> BTreeMap<Contestant, Medians> {
    let mut medians = BTreeMap::new();
    let mut by_contestant: BTreeMap<Contestant, Vec<Sample>> = BTreeMap::new();
    for (contestant, sample) in &measured.samples {
        by_contestant.entry(*contestant).or_default().push(*sample);
    }
    for (contestant, samples) in by_contestant {
        medians.insert(
            contestant,
            Medians {
                wall_seconds: middle(samples.iter().map(|s| s.wall)).as_secs_f64(),
                cpu_seconds: middle(samples.iter().map(|s| s.cpu)).as_secs_f64(),
                peak_memory_bytes: middle(samples.iter().map(|s| s.peak_memory_bytes)),
                above_idle_bytes: middle(
                    samples
                        .iter()
                        .map(|s| s.peak_memory_bytes.saturating_sub(s.idle_memory_bytes)),
                ),
            },
        );
    }
    medians
}

/// What is measured, as one says it.
pub(crate) fn named(workload: Workload) -> String {
    let work = match workload.work {
        Work::Bulk(direction, cipher) => {
            let cipher = match cipher {
                Cipher::Aes128Gcm => "aes128-gcm",
                Cipher::Aes256Gcm => "aes256-gcm",
                Cipher::ChaCha20 => "chacha20",
            };
            format!("bulk {}, {cipher}", one_way(direction))
        }
        Work::Connects => "connects".to_owned(),
        Work::SmallFiles { sessions: 1 } => "small files, 1 session".to_owned(),
        Work::SmallFiles { sessions } => format!("small files, {sessions} sessions"),
        Work::ManyClients(direction) => format!("{CLIENTS} clients {}", one_way(direction)),
        Work::LongFiles => format!("{CLIENTS} long files up"),
        Work::IdleSessions => "idle sessions".to_owned(),
        Work::Listing => "listing, first page".to_owned(),
    };
    format!("{work}, {}", workload.place)
}

fn one_way(direction: Direction) -> &'static str {
    match direction {
        Direction::Down => "down",
        Direction::Up => "up",
    }
}

/// Every figure, a line a workload.
pub(crate) fn figures(
    subject: Subject,
    amount: Amount,
    digest_seconds: f64,
    results: &[Measured],
) -> String {
    let contestants: Vec<Contestant> = Contestant::of(subject)
        .into_iter()
        .filter(|c| {
            results
                .iter()
                .any(|m| m.samples.iter().any(|(of, _)| of == c))
        })
        .collect();
    let mut text = format!(
        "bulk: one file of {} MiB; {CLIENTS} clients: {} MiB each; long files: {} MiB each; small files: {} of {} KiB; \
         connects: {}; idle sessions: {} and listing: {} names, one look; client: OpenSSH's; medians \
         of {} rounds, interleaved.\nEach cell: seconds / CPU of the server / peak memory of all \
         its processes (above what they held at first).\nOurs takes the SHA-256 of all that it receives: \
         alone that is {digest_seconds:.2} s of CPU a GiB here.\n\n| |",
        amount.bulk_bytes >> 20,
        amount.share_bytes() >> 20,
        amount.long_bytes >> 20,
        amount.small_files,
        SMALL_FILE_BYTES >> 10,
        amount.connects,
        amount.idle_sessions,
        amount.listed_names,
        amount.rounds
    );
    for contestant in &contestants {
        let _ = write!(text, " {contestant} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(contestants.len()));
    for measured in results {
        let medians = medians(measured);
        let _ = write!(text, "\n| {} |", named(measured.workload));
        for contestant in &contestants {
            let figures = medians.get(contestant);
            let figures = figures.map(|m| cell(measured.workload.work, m, amount));
            let shown: Vec<String> = figures
                .into_iter()
                .chain(failed(measured, *contestant))
                .collect();
            let _ = write!(text, " {} |", shown.join(", "));
        }
    }
    text
}

/// Each figure beside its bar.
pub(crate) fn verdicts(subject: Subject, verdicts: &[Verdict]) -> String {
    let whose = match subject {
        Subject::Front => "Ours, durable, as a ratio to OpenSSH where no unit is given:",
        Subject::Store => "Ours as a ratio to rclone where nothing else is said:",
    };
    let mut text = format!("{whose}\n\n| | figure | bar | |\n|---|---|---|---|");
    for verdict in verdicts {
        let unit = verdict.unit;
        let bar = match verdict.bar {
            Bar::AtLeast(bar) => format!("at least {bar}{unit}"),
            Bar::AtMost(bar) => format!("at most {bar}{unit}"),
        };
        let word = if verdict.is_reached() {
            "reached"
        } else {
            "NOT reached"
        };
        let _ = write!(
            text,
            "\n| {} | {:.2}{unit} | {bar} | {word} |",
            verdict.what, verdict.measured
        );
    }
    text
}

fn cell(work: Work, medians: &Medians, amount: Amount) -> String {
    let a_gibibyte = |bytes| {
        let gibibytes = to_float(bytes) / to_float(1 << 30);
        format!("{:.2} s a GiB", medians.cpu_seconds / gibibytes)
    };
    let cpu = match work {
        Work::Bulk(..) | Work::ManyClients(_) => a_gibibyte(amount.bulk_bytes),
        Work::LongFiles => a_gibibyte(amount.all_long_bytes()),
        Work::Connects => format!(
            "{:.2} ms each",
            medians.cpu_seconds * 1_000.0 / f64::from(amount.connects)
        ),
        Work::SmallFiles { .. } | Work::IdleSessions | Work::Listing => {
            format!("{:.2} s", medians.cpu_seconds)
        }
    };
    format!(
        "{:.2} s / {cpu} / {:.0} MiB ({:.0})",
        medians.wall_seconds,
        to_float(medians.peak_memory_bytes) / to_float(1 << 20),
        to_float(medians.above_idle_bytes) / to_float(1 << 20)
    )
}

fn failed(measured: &Measured, contestant: Contestant) -> Option<String> {
    let failed = measured.failures.iter().filter(|of| **of == contestant);
    let ended = measured.samples.iter().filter(|(of, _)| *of == contestant);
    let (failed, ended) = (failed.count(), ended.count());
    (failed > 0).then(|| format!("failed {failed} of {}", failed + ended))
}

fn middle<T: Copy + Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes shown with two decimals; 2^53 bytes is beyond any machine"
)]
pub(crate) fn to_float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Place;
    use std::time::Duration;

    const AMOUNT: Amount = Amount {
        bulk_bytes: 512 << 20,
        long_bytes: 32 << 20,
        small_files: 10,
        connects: 200,
        idle_sessions: 100,
        listed_names: 5,
        rounds: 3,
    };

    fn measured(work: Work) -> Measured {
        let sample = |wall_ms, cpu_ms, mebibytes: u64| Sample {
            wall: Duration::from_millis(wall_ms),
            cpu: Duration::from_millis(cpu_ms),
            idle_memory_bytes: 1 << 20,
            peak_memory_bytes: mebibytes << 20,
        };
        Measured {
            workload: Workload {
                place: Place::Memory,
                work,
            },
            samples: vec![
                (Contestant::OpenSsh, sample(9_000, 1_000, 1)),
                (Contestant::Durable, sample(500, 260, 20)),
                (Contestant::OpenSsh, sample(1_000, 9_000, 3)),
                (Contestant::OpenSsh, sample(2_000, 2_000, 2)),
            ],
            failures: vec![Contestant::OpenSsh],
        }
    }

    #[test]
    fn tables() {
        let results = [
            measured(Work::Bulk(Direction::Up, Cipher::ChaCha20)),
            measured(Work::Connects),
            measured(Work::IdleSessions),
        ];
        let table = figures(Subject::Front, AMOUNT, 0.5, &results);
        let lines: Vec<&str> = table.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "| | OpenSSH | ours, durable |",
                "|---|---|---|",
                "| bulk up, chacha20, tmpfs | 2.00 s / 4.00 s a GiB / 2 MiB (1), failed 1 of 4 \
                 | 0.50 s / 0.52 s a GiB / 20 MiB (19) |",
                "| connects, tmpfs | 2.00 s / 10.00 ms each / 2 MiB (1), failed 1 of 4 \
                 | 0.50 s / 1.30 ms each / 20 MiB (19) |",
                "| idle sessions, tmpfs | 2.00 s / 2.00 s / 2 MiB (1), failed 1 of 4 \
                 | 0.50 s / 0.26 s / 20 MiB (19) |",
            ]
        );
        let verdicts = verdicts(Subject::Front, &crate::bars::judge(&results, 100));
        let lines: Vec<&str> = verdicts.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "| bulk up, chacha20, tmpfs: throughput | 4.00 | at least 1.2 | reached |",
                "| bulk up, chacha20, tmpfs: CPU | 0.13 | at most 0.9 | reached |",
                "| connects, tmpfs: CPU saved | 7.69 | at least 10 | NOT reached |",
                "| idle sessions, tmpfs: memory a session | 194.56 KiB | at most 128 KiB \
                 | NOT reached |",
            ]
        );
    }
}
