//! Penalties by source, after `OpenSSH`'s `PerSourcePenalties`: an offence adds time, and only a
//! source that has gathered enough of it is refused, until the time is served. One typo locks
//! nobody out.

use jiff::{SignedDuration, Timestamp};
use qm_core::ports::access::Offence;
use std::collections::{BTreeSet, HashMap};

use super::Source;

/// A source is refused once it has gathered so much: four failed logins within seconds.
const REFUSED_FROM: SignedDuration = SignedDuration::from_secs(15);
/// No source is refused for longer after its last offence: an office behind one address must get
/// in again the same morning.
const PENALTY_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Sources remembered: about 10 MiB. Beyond it the one that is free soonest is forgotten, so a
/// flood of addresses can shorten penalties but never fill the memory.
const SOURCES_MAX: usize = 65_536;

/// What an offence costs; a panic is the dearest because it may be an exploit being tried.
fn penalty_of(offence: Offence) -> SignedDuration {
    SignedDuration::from_secs(match offence {
        Offence::NoAuth => 1,
        Offence::AuthFailure => 5,
        Offence::LoginTimeout => 10,
        Offence::Protocol => 30,
        Offence::Panic => 90,
    })
}

/// Sources with penalties that are not served yet.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    of: HashMap<Source, Penalty>,
    by_end: BTreeSet<(Timestamp, Source)>,
}

#[derive(Clone, Copy, Debug)]
struct Penalty {
    until: Timestamp,
    is_refused: bool,
}

impl Penalties {
    /// Adds the offence's penalty to what the source still has to serve.
    pub(super) fn add(&mut self, source: Source, offence: Offence, now: Timestamp) {
        self.forget_served(now);
        let earlier = self.remove(source);
        let (begins, was_refused) = earlier.map_or((now, false), |penalty| {
            (penalty.until.max(now), penalty.is_refused)
        });
        let latest = later(now, PENALTY_MAX);
        let until = later(begins, penalty_of(offence)).min(latest);
        let penalty = Penalty {
            until,
            is_refused: was_refused || until >= later(now, REFUSED_FROM),
        };
        if self.of.len() >= SOURCES_MAX
            && let Some((_, soonest)) = self.by_end.pop_first()
        {
            self.of.remove(&soonest);
        }
        self.by_end.insert((until, source));
        self.of.insert(source, penalty);
    }

    /// True if connections of the source are refused now.
    pub(super) fn refuses(&mut self, source: Source, now: Timestamp) -> bool {
        self.forget_served(now);
        let Some(penalty) = self.of.get(&source).copied() else {
            return false;
        };
        // Further away than any penalty: the clock was set back.
        if penalty.until > later(now, PENALTY_MAX) {
            self.remove(source);
            return false;
        }
        penalty.is_refused
    }

    fn remove(&mut self, source: Source) -> Option<Penalty> {
        let penalty = self.of.remove(&source)?;
        self.by_end.remove(&(penalty.until, source));
        Some(penalty)
    }

    fn forget_served(&mut self, now: Timestamp) {
        while let Some((until, source)) = self.by_end.first().copied() {
            if until > now {
                return;
            }
            self.by_end.pop_first();
            self.of.remove(&source);
        }
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn source(number: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Offences at their seconds, then: refused at this second?
    #[track_caller]
    fn check(offences: &[(i64, Offence)], asked_at: i64, expect: bool) {
        let mut penalties = Penalties::default();
        for (seconds, offence) in offences {
            penalties.add(source(1), *offence, at(*seconds));
        }
        assert_eq!(penalties.refuses(source(1), at(asked_at)), expect);
        assert!(!penalties.refuses(source(2), at(asked_at)));
        assert_eq!(penalties.of.len(), penalties.by_end.len());
    }

    #[test]
    fn a_few_mistakes_lock_nobody_out() {
        use Offence::{AuthFailure, LoginTimeout, NoAuth};
        check(&[], 0, false);
        check(&[(0, AuthFailure)], 0, false);
        check(&[(0, AuthFailure), (1, AuthFailure)], 1, false);
        check(&[(0, LoginTimeout), (4, NoAuth)], 4, false);
        check(
            &[(0, AuthFailure), (60, AuthFailure), (120, AuthFailure)],
            120,
            false,
        );
    }

    #[test]
    fn enough_of_them_do_until_the_time_is_served() {
        use Offence::{AuthFailure, LoginTimeout, Panic, Protocol};
        let three = [(0, AuthFailure), (0, AuthFailure), (0, AuthFailure)];
        check(&three, 14, true);
        check(&three, 15, false);
        check(&[(0, LoginTimeout), (0, AuthFailure)], 0, true);
        check(&[(0, Protocol)], 29, true);
        check(&[(0, Protocol)], 30, false);
        check(&[(0, Panic)], 89, true);
        check(&[(0, Panic)], 90, false);
        // Once refused, less than the threshold left is still to be served.
        check(&[(0, Protocol), (29, AuthFailure)], 34, true);
        check(&[(0, Protocol), (29, AuthFailure)], 35, false);
    }

    #[test]
    fn ten_minutes_at_most() {
        let flood: Vec<_> = (0..1_000).map(|_| (0, Offence::Panic)).collect();
        check(&flood, 599, true);
        check(&flood, 600, false);
    }

    #[test]
    fn a_clock_set_back_refuses_nobody_for_long() {
        check(&[(100_000, Offence::Panic)], 0, false);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let mut penalties = Penalties::default();
        penalties.add(source(0), Offence::Panic, at(0));
        for number in 1..=u32::try_from(SOURCES_MAX).unwrap() + 10 {
            penalties.add(source(number), Offence::Protocol, at(0));
        }
        assert_eq!(penalties.of.len(), SOURCES_MAX);
        assert_eq!(penalties.by_end.len(), SOURCES_MAX);
        assert!(penalties.refuses(source(0), at(60)));
        assert_eq!(penalties.of.len(), 1);
    }
}
