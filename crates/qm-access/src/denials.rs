//! How many refused logins are recorded one by one. A brute-force attack must not be able to fill
//! the audit, and must still show in it.

use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

use crate::throttle::Source;

/// Refusals of one source that are recorded one by one within [`WINDOW`]: enough for every honest
/// mistake (an agent with six keys, a mistyped name).
pub(crate) const RECORDED_PER_WINDOW_MAX: u32 = 10;
/// Ten records a minute and source are about 5 MB a day from one attacker who never sleeps.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Sources watched at once: 4 MiB of memory. Beyond it, refusals of further sources are counted
/// together under no source.
pub(crate) const SOURCES_MAX: usize = 8_192;

/// What to do about one refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Record it.
    Record,
    /// Record it and that the following ones are only counted.
    RecordLast,
    /// Only count it.
    Count,
}

/// Refusals that were only counted, to be recorded as one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Summary {
    /// From where; `None` for the sources that were too many to watch one by one.
    pub(crate) source: Option<Source>,
    /// How many were not recorded one by one.
    pub(crate) count: u64,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// Counts refusals by source: one customer of a provider has 2^64 addresses, and must not get as
/// many windows.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    windows: HashMap<Source, Window>,
    others: Option<Window>,
    next_sweep: Option<Timestamp>,
}

#[derive(Debug)]
struct Window {
    since: Timestamp,
    recorded: u32,
    counted: u64,
    /// Users whose refused key offers are recorded in this window; an agent offers key after key.
    offered: Vec<String>,
}

impl Denials {
    /// One refused login.
    pub(crate) fn refused(&mut self, source: Source, now: Timestamp) -> Verdict {
        self.window(source, now).map_or(Verdict::Count, |window| {
            window.recorded += 1;
            match window.recorded {
                n if n < RECORDED_PER_WINDOW_MAX => Verdict::Record,
                n if n == RECORDED_PER_WINDOW_MAX => Verdict::RecordLast,
                _ => {
                    window.recorded = RECORDED_PER_WINDOW_MAX;
                    window.counted += 1;
                    Verdict::Count
                }
            }
        })
    }

    /// A key offered for a user was refused. Recorded once a user and window: the offers that
    /// follow belong to the same try.
    pub(crate) fn offer_refused(&mut self, source: Source, user: &str, now: Timestamp) -> Verdict {
        if let Some(window) = self.window(source, now) {
            if window.offered.iter().any(|seen| seen == user) {
                return Verdict::Count;
            }
            if window.recorded < RECORDED_PER_WINDOW_MAX {
                window.offered.push(user.to_owned());
            }
        } else {
            return Verdict::Count;
        }
        self.refused(source, now)
    }

    /// Takes the summaries of windows that have ended; those of open ones as well if `all`.
    pub(crate) fn take_summaries(&mut self, now: Timestamp, which: Which) -> Vec<Summary> {
        // The second half: a clock that was set back must not put the sweep off.
        let is_due = self
            .next_sweep
            .is_none_or(|at| now >= at || at > end_of(now));
        match which {
            Which::Ended if !is_due => return Vec::new(),
            Which::Ended | Which::All => {}
        }
        self.next_sweep = Some(end_of(now));
        let mut summaries = Vec::new();
        let ends = |window: &Window| which == Which::All || window.has_ended(now);
        self.windows.retain(|source, window| {
            if !ends(window) {
                return true;
            }
            summaries.extend(window.summary(Some(*source)));
            false
        });
        if let Some(window) = self.others.take_if(|window| ends(window)) {
            summaries.extend(window.summary(None));
        }
        summaries.sort_by_key(|summary| (summary.since, summary.source));
        summaries
    }

    /// The source's window; counts under `others` and gives `None` if there are too many.
    fn window(&mut self, source: Source, now: Timestamp) -> Option<&mut Window> {
        let is_new = !self.windows.contains_key(&source);
        if is_new && self.windows.len() >= SOURCES_MAX {
            self.others
                .get_or_insert_with(|| Window::opened(now))
                .counted += 1;
            return None;
        }
        Some(
            self.windows
                .entry(source)
                .or_insert_with(|| Window::opened(now)),
        )
    }
}

/// Which summaries are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// Those of windows that have ended.
    Ended,
    /// All.
    All,
}

impl Window {
    fn opened(now: Timestamp) -> Self {
        Self {
            since: now,
            recorded: 0,
            counted: 0,
            offered: Vec::new(),
        }
    }

    /// Also if the clock was set back: no window lasts for ever.
    fn has_ended(&self, now: Timestamp) -> bool {
        now >= end_of(self.since) || now < self.since
    }

    fn summary(&self, source: Option<Source>) -> Option<Summary> {
        (self.counted > 0).then_some(Summary {
            source,
            count: self.counted,
            since: self.since,
        })
    }
}

fn end_of(since: Timestamp) -> Timestamp {
    since.saturating_add(WINDOW).unwrap_or(Timestamp::MAX)
}
