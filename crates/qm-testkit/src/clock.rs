//! Time and randomness in the hands of the test.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::id::VersionId;
use qm_core::ports::clock::{Clock, Identifiers};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that stands still until it is set; clones show the same time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    /// Shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Shows the time written as in `2026-11-20T17:00:00Z`; panics if it is none.
    pub fn at(text: &str) -> Self {
        Self::new(text.parse().expect("a test writes valid timestamps"))
    }

    /// Sets it, backwards as well.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = now;
    }

    /// Moves it on; a negative step moves it back.
    pub fn advance(&self, step: SignedDuration) {
        let mut now = self.0.lock();
        *now += step;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// Identifiers counted from a seed: the same seed gives the same ones, another seed others.
#[derive(Clone, Debug)]
pub struct TestIdentifiers {
    seed: u32,
    given: Arc<AtomicU64>,
}

/// The seed stands above the count in the 80 bits that an identifier has besides its time.
const COUNT_BITS: u32 = 48;

impl TestIdentifiers {
    /// Counts from `seed`.
    pub fn new(seed: u32) -> Self {
        Self {
            seed,
            given: Arc::default(),
        }
    }
}

impl Identifiers for TestIdentifiers {
    fn version(&self, now: Timestamp) -> VersionId {
        let count = self.given.fetch_add(1, Ordering::Relaxed);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        VersionId::from_parts(
            milliseconds,
            (u128::from(self.seed) << COUNT_BITS) | u128::from(count),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_shared_by_its_clones() {
        let clock = TestClock::at("2026-11-20T17:00:00Z");
        let other = clock.clone();
        clock.advance(SignedDuration::from_mins(30));
        assert_eq!(other.now(), "2026-11-20T17:30:00Z".parse().unwrap());
        other.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn identifiers_repeat_with_the_seed_and_grow() {
        let now = "2026-11-20T17:00:00Z".parse().unwrap();
        let three = |seed| {
            let identifiers = TestIdentifiers::new(seed);
            [(); 3].map(|()| identifiers.version(now))
        };
        assert_eq!(three(1), three(1));
        assert!(three(1).is_sorted());
        assert!(three(1).iter().all(|id| !three(2).contains(id)));
    }
}
