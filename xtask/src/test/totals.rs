//! The sum of all results, and how test runners print theirs.

use std::fmt;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Totals {
    /// A run that could not even begin, or broke off: one failure.
    pub(super) const BROKEN: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The closing line of a test binary (`test result: ok. 3 passed; 0 failed; 1 ignored; …`) or
    /// of nextest (`Summary [1.2s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped`).
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("test result: ") {
            let (_, results) = rest.split_once(". ")?;
            return Some(Self {
                passed: count(results, "passed")?,
                failed: count(results, "failed")?,
                skipped: count(results, "ignored").unwrap_or_default(),
            });
        }
        let (_, results) = line.strip_prefix("Summary [")?.split_once("run: ")?;
        Some(Self {
            passed: count(results, "passed").unwrap_or_default(),
            failed: count(results, "failed").unwrap_or_default()
                + count(results, "timed").unwrap_or_default(),
            skipped: count(results, "skipped").unwrap_or_default(),
        })
    }
}

/// The number before a word.
fn count(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let at = words.iter().position(|w| *w == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// Alone on the last line, so that a reader of a long log finds it.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines() {
        let totals = |passed, failed, skipped| {
            Some(Totals {
                passed,
                failed,
                skipped,
            })
        };
        for (line, expect) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; \
                 finished in 0.01s",
                totals(12, 0, 1),
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured",
                totals(3, 2, 0),
            ),
            (
                "     Summary [   0.012s] 5 tests run: 3 passed (1 slow), 2 failed, 4 skipped",
                totals(3, 2, 4),
            ),
            (
                "     Summary [   9.000s] 2 tests run: 1 passed, 1 timed out, 0 skipped",
                totals(1, 1, 0),
            ),
            ("test it::name ... ok", None),
            ("test result: ok", None),
            ("running 3 tests", None),
        ] {
            assert_eq!(Totals::parse(line), expect, "{line}");
        }
    }
}
