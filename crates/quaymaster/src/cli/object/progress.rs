//! What a command tells while it works: a line on a terminal that moves, and a line a finished file.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;
use tokio::time::Instant;

use super::pump::Counter;
use crate::cli::table::plain;

/// Often enough to be seen moving.
const EVERY: Duration = Duration::from_millis(250);
/// A longer name is cut in the moving line.
const NAME_CHARS_MAX: usize = 40;

/// Tells, unless told not to.
pub(super) struct Progress {
    is_quiet: bool,
    moves: bool,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self {
            is_quiet,
            moves: !is_quiet && io::stderr().is_terminal(),
        }
    }

    /// Something was done.
    pub(super) fn done(&self, what: &str) {
        if !self.is_quiet {
            // Whoever closes the pipe has seen enough.
            let _ = writeln!(io::stdout(), "{}", plain(what));
        }
    }

    /// Shows how far `work` is until it ends.
    pub(super) async fn during<T>(
        &self,
        name: &str,
        counter: &Counter,
        total_bytes: Option<u64>,
        work: impl Future<Output = T>,
    ) -> T {
        if !self.moves {
            return work.await;
        }
        let _line = MovingLine;
        let began = Instant::now();
        let mut ticks = tokio::time::interval(EVERY);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    let shown = line(name, counter.get(), total_bytes, began.elapsed());
                    let _ = write!(io::stderr(), "\r{shown}\x1b[K");
                }
            }
        }
    }
}

/// Something that was asked for was not done; told in any case.
pub(super) fn left_out(what: &str) {
    let _ = writeln!(io::stderr(), "left out: {}", plain(what));
}

/// Wiped when dropped, also by Ctrl-C.
struct MovingLine;

impl Drop for MovingLine {
    fn drop(&mut self) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn line(name: &str, done_bytes: u64, total_bytes: Option<u64>, elapsed: Duration) -> String {
    let name: String = plain(name).chars().take(NAME_CHARS_MAX).collect();
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let rate = u128::from(done_bytes) * 1000 / u128::from(milliseconds.max(1));
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    let done = size(done_bytes);
    let Some(total_bytes) = total_bytes else {
        return format!("{name}  {done}  {}/s", size(rate));
    };
    let left_bytes = total_bytes.saturating_sub(done_bytes);
    let left = left_bytes.checked_div(rate).map_or_else(
        || "-:--".to_owned(),
        |seconds| format!("{}:{:02}", seconds / 60, seconds % 60),
    );
    format!(
        "{name}  {done} of {}  {}/s  {left} left",
        size(total_bytes),
        size(rate)
    )
}

/// For people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expect) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (5 << 40, "5.0 TiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(size(bytes), expect);
        }
    }

    #[test]
    fn lines() {
        let second = Duration::from_secs(1);
        for (done, total, elapsed, expect) in [
            (
                0,
                Some(10),
                Duration::ZERO,
                "a.csv  0 B of 10 B  0 B/s  -:-- left",
            ),
            (
                1 << 20,
                Some(62 << 20),
                second,
                "a.csv  1.0 MiB of 62.0 MiB  1.0 MiB/s  1:01 left",
            ),
            (
                4 << 20,
                Some(1),
                second * 2,
                "a.csv  4.0 MiB of 1 B  2.0 MiB/s  0:00 left",
            ),
            (512, None, second, "a.csv  512 B  512 B/s"),
        ] {
            assert_eq!(line("a.csv", done, total, elapsed), expect);
        }
        let hostile = line("a\x1b[2J", 0, None, second);
        assert!(!hostile.contains('\x1b'), "{hostile:?}");
    }
}
