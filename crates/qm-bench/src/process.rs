//! What a server costs: CPU and memory of its process and everything it starts, from `/proc`.

use anyhow::{Context, Result, bail};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// `VmHWM` never falls, so a process is seen whole if it is seen once; a look costs a millisecond.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
const PEAK: &str = "VmHWM:";
const RESIDENT: &str = "VmRSS:";
/// Sessions end within milliseconds of their client; this is for a machine that is busy.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// What `/proc/PID/stat` tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stat {
    process: u32,
    parent: u32,
    /// Own time and that of children that ended and were waited for.
    ticks: u64,
}

/// Watches a process and its descendants.
pub(crate) struct Watch {
    root: u32,
    stop: Arc<AtomicBool>,
    looker: JoinHandle<u64>,
    ticks_before: u64,
    processes_before: usize,
}

/// What was used between the start and the end of a watch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) peak_memory_bytes: u64,
}

impl Watch {
    pub(crate) fn start(root: u32) -> Result<Self> {
        let tree = settled(root, None)?;
        fs::write(format!("/proc/{root}/clear_refs"), "5")
            .context("resetting the peak memory of the server")?;
        let stop = Arc::new(AtomicBool::new(false));
        let looker = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || look(root, &stop)
        });
        Ok(Self {
            root,
            stop,
            looker,
            ticks_before: ticks(&tree),
            processes_before: tree.len(),
        })
    }

    /// Waits until the sessions' processes are gone: only then has their parent their times.
    pub(crate) fn finish(self) -> Result<Usage> {
        let tree = settled(self.root, Some(self.processes_before));
        self.stop.store(true, Ordering::Relaxed);
        let Ok(seen) = self.looker.join() else {
            bail!("the thread that looks at memory panicked");
        };
        let last = memory_bytes(&tree_of(self.root, &all_stats()?), PEAK);
        let used = ticks(&tree?).saturating_sub(self.ticks_before);
        let micros = used * 1_000_000 / rustix::param::clock_ticks_per_second();
        Ok(Usage {
            cpu: Duration::from_micros(micros),
            peak_memory_bytes: seen.max(last),
        })
    }
}

/// What the server and all it started hold once they have come to rest.
pub(crate) fn resident_bytes(root: u32) -> Result<u64> {
    Ok(memory_bytes(&settled(root, None)?, RESIDENT))
}

/// The tree once it uses no more time, and has `processes` processes if that is asked for.
fn settled(root: u32, processes: Option<usize>) -> Result<Vec<Stat>> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    let mut before: Option<u64> = None;
    loop {
        let tree = tree_of(root, &all_stats()?);
        if tree.is_empty() {
            bail!("the server has ended");
        }
        let now = ticks(&tree);
        let is_complete = processes.is_none_or(|expected| tree.len() == expected);
        if is_complete && before == Some(now) {
            return Ok(tree);
        }
        if Instant::now() > deadline {
            bail!(
                "the server did not come to rest: {} processes, {now} ticks",
                tree.len()
            );
        }
        before = Some(now);
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// The most memory that all processes together were seen with. Pages that processes share count
/// in each of them.
fn look(root: u32, stop: &AtomicBool) -> u64 {
    let mut most = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Ok(stats) = all_stats() {
            most = most.max(memory_bytes(&tree_of(root, &stats), PEAK));
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    most
}

fn memory_bytes(tree: &[Stat], figure: &str) -> u64 {
    tree.iter()
        .filter_map(|stat| fs::read_to_string(format!("/proc/{}/status", stat.process)).ok())
        .filter_map(|status| figure_bytes(&status, figure))
        .sum()
}

fn figure_bytes(status: &str, figure: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(figure))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn ticks(tree: &[Stat]) -> u64 {
    tree.iter().map(|stat| stat.ticks).sum()
}

fn tree_of(root: u32, stats: &[Stat]) -> Vec<Stat> {
    let mut tree: Vec<Stat> = stats
        .iter()
        .copied()
        .filter(|stat| stat.process == root)
        .collect();
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|stat| stat.process) {
        tree.extend(stats.iter().filter(|stat| stat.parent == parent));
        next += 1;
    }
    tree
}

fn all_stats() -> Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let is_process = name.to_string_lossy().bytes().all(|b| b.is_ascii_digit());
        // A process may end between the listing and the reading.
        if is_process
            && let Ok(text) = fs::read_to_string(format!("/proc/{}/stat", name.to_string_lossy()))
        {
            stats.extend(parse(&text));
        }
    }
    Ok(stats)
}

/// proc(5): the name in parentheses may contain anything, so fields count from the last `)`.
fn parse(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        process: head.split_whitespace().next()?.parse().ok()?,
        parent: u32::try_from(number(1)?).ok()?,
        // utime, stime, cutime, cstime are fields 14 to 17; the state after `)` is field 3.
        ticks: (11..=14).map(number).sum::<Option<u64>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 11 13 17 19 20 0 1 0 5";
        assert_eq!(
            parse(line),
            Some(Stat {
                process: 42,
                parent: 7,
                ticks: 60
            })
        );
        assert_eq!(parse("42 (a) S"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_tree_has_all_descendants_and_nobody_else() {
        let stat = |process, parent| Stat {
            process,
            parent,
            ticks: 1,
        };
        let stats = [stat(1, 0), stat(9, 5), stat(5, 1), stat(7, 9), stat(8, 1)];
        let tree: Vec<u32> = tree_of(5, &stats).iter().map(|s| s.process).collect();
        assert_eq!(tree, [5, 9, 7]);
        assert!(tree_of(6, &stats).is_empty());
    }

    #[test]
    fn figures_of_memory() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!(figure_bytes(status, PEAK), Some(2 << 20));
        assert_eq!(figure_bytes(status, RESIDENT), Some(1 << 20));
        assert_eq!(figure_bytes("Name:\tkthread\n", PEAK), None);
    }

    #[test]
    fn a_child_that_ended_is_counted() {
        // A shell that burns time in a child, waits for it, then waits to be told to end.
        let burn = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); echo done; read x";
        let mut shell = std::process::Command::new("sh")
            .args(["-c", &format!("read go; {burn}")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let watch = Watch::start(shell.id()).unwrap();
        let mut input = shell.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, b"go\n").unwrap();
        let mut first = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut first).unwrap();
        let usage = watch.finish().unwrap();
        drop(input);
        shell.wait().unwrap();
        assert!(usage.cpu > Duration::ZERO, "{usage:?}");
        assert!(usage.peak_memory_bytes > 100 << 10, "{usage:?}");
    }
}
