//! The table: a line a measurement, its figure beside its bar.

use std::fmt::Write as _;
use std::time::Duration;

use crate::bars::{Bar, Verdict};

/// What was measured so far.
#[derive(Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
}

struct Line {
    ours: String,
    beside: String,
    verdict: Verdict,
}

impl Table {
    /// Adds a line and shows it.
    pub(crate) fn add(&mut self, ours: String, beside: String, verdict: Verdict) {
        let line = Line {
            ours,
            beside,
            verdict,
        };
        eprintln!("{}", line.text());
        self.lines.push(line);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = "| | ours | beside | figure | bar | |\n|---|---|---|---|---|---|".to_owned();
        for line in &self.lines {
            let _ = write!(text, "\n{}", line.text());
        }
        text
    }
}

impl Line {
    fn text(&self) -> String {
        let verdict = &self.verdict;
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
        format!(
            "| {} | {} | {} | {:.2}{unit} | {bar} | {word} |",
            verdict.what, self.ours, self.beside, verdict.measured
        )
    }
}

/// The middle of an odd number.
pub(crate) fn middle(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How many a second.
pub(crate) fn rate(count: usize, span: Duration) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    f64::from(count) / span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut table = Table::default();
        let verdict = |measured| Verdict {
            what: "push".to_owned(),
            measured,
            unit: "",
            bar: Bar::AtLeast(1.5),
        };
        table.add("1.00 s".to_owned(), "2.00 s".to_owned(), verdict(2.0));
        table.add("2.00 s".to_owned(), "2.00 s".to_owned(), verdict(1.0));
        let text = table.text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| push | 1.00 s | 2.00 s | 2.00 | at least 1.5 | reached |",
                "| push | 2.00 s | 2.00 s | 1.00 | at least 1.5 | NOT reached |",
            ]
        );
    }

    #[test]
    fn middles_and_rates() {
        let seconds = |s: &[u64]| s.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(middle(seconds(&[9, 1, 2])), Duration::from_secs(2));
        assert!((rate(50, Duration::from_secs(2)) - 25.0).abs() < f64::EPSILON);
    }
}
