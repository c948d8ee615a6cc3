//! The circuit breaker of a destination: pure states, the engine keeps one a destination.

use jiff::{SignedDuration, Timestamp};

use crate::config::BreakerPolicy;

/// Whether a destination is tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Breaker {
    /// It works, as far as is known.
    #[default]
    Closed,
    /// It failed so often in a row.
    Failing(u32),
    /// It is left alone until then.
    Open {
        /// When one delivery may try.
        until: Timestamp,
    },
    /// One delivery tries.
    Trying,
}

impl Breaker {
    /// How many of `wanted` deliveries may begin now; when to ask again if none. While one tries
    /// there is no such time: its end is the time.
    pub fn admits(&self, wanted: u32, now: Timestamp) -> (u32, Option<Timestamp>) {
        match self {
            Self::Closed | Self::Failing(_) => (wanted, None),
            Self::Open { until } if now < *until => (0, Some(*until)),
            Self::Open { .. } => (wanted.min(1), None),
            Self::Trying => (0, None),
        }
    }

    /// Deliveries were begun, as many as it admitted.
    pub fn begun(self, now: Timestamp) -> Self {
        match self {
            Self::Open { until } if until <= now => Self::Trying,
            Self::Closed | Self::Failing(_) | Self::Open { .. } | Self::Trying => self,
        }
    }

    /// One ended: `worked` is false if the destination failed, not if it refused one file.
    pub fn ended(self, worked: bool, policy: BreakerPolicy, now: Timestamp) -> Self {
        if worked {
            return Self::Closed;
        }
        let failures = match self {
            Self::Closed => 1,
            Self::Failing(failures) => failures.saturating_add(1),
            Self::Trying => u32::MAX,
            // It was begun before the breaker opened, and tells nothing new.
            Self::Open { .. } => return self,
        };
        if failures < policy.failures {
            return Self::Failing(failures);
        }
        let pause = SignedDuration::try_from(policy.pause).unwrap_or(SignedDuration::MAX);
        Self::Open {
            until: now.saturating_add(pause).unwrap_or(Timestamp::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 3,
        pause: Duration::from_mins(1),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn opens_tries_and_closes() {
        let failed = |breaker: Breaker, second| breaker.ended(false, POLICY, at(second));
        let mut breaker = failed(failed(Breaker::Closed, 1), 2);
        assert_eq!(breaker, Breaker::Failing(2));
        assert_eq!(breaker.admits(8, at(2)), (8, None));
        breaker = failed(breaker, 3);
        assert_eq!(breaker, Breaker::Open { until: at(63) });
        assert_eq!(breaker.admits(8, at(62)), (0, Some(at(63))));
        assert_eq!(failed(breaker, 50), breaker, "was begun before");
        assert_eq!(breaker.admits(8, at(63)), (1, None));
        assert_eq!(breaker.admits(0, at(63)), (0, None));
        breaker = breaker.begun(at(63));
        assert_eq!(breaker.admits(8, at(64)), (0, None), "one is enough");
        assert_eq!(failed(breaker, 70), Breaker::Open { until: at(130) });
        assert_eq!(breaker.ended(true, POLICY, at(70)), Breaker::Closed);
    }

    #[test]
    fn what_works_in_between_starts_the_count_again() {
        let breaker = Breaker::Failing(2).ended(true, POLICY, at(1));
        assert_eq!(breaker.ended(false, POLICY, at(2)), Breaker::Failing(1));
    }

    proptest! {
        /// As the engine uses it, over any order of beginnings and ends.
        #[test]
        fn never_stuck_and_never_hurried(
            steps in prop::collection::vec((0_u8..3, 0_i64..40), 1..200),
            failures in 0_u32..5,
        ) {
            let policy = BreakerPolicy { failures, pause: Duration::from_mins(1) };
            let (mut breaker, mut running, mut second, mut in_a_row) = (Breaker::Closed, 0_u32, 0, 0);
            for (step, pause) in steps {
                second += pause;
                let now = at(second);
                let (admitted, again) = breaker.admits(2, now);
                match breaker {
                    Breaker::Closed => prop_assert_eq!((admitted, in_a_row), (2, 0)),
                    Breaker::Failing(count) => {
                        prop_assert_eq!(admitted, 2);
                        prop_assert_eq!(count, in_a_row);
                        prop_assert!(count < failures);
                    }
                    Breaker::Open { until } => {
                        prop_assert!(in_a_row >= failures);
                        prop_assert_eq!(admitted, u32::from(now >= until));
                        prop_assert_eq!(again, (now < until).then_some(until));
                    }
                    Breaker::Trying => prop_assert!(admitted == 0 && running > 0, "somebody tries"),
                }
                match step {
                    0 if admitted > 0 => {
                        breaker = breaker.begun(now);
                        running += admitted;
                    }
                    0 => {}
                    ended if running > 0 => {
                        let worked = ended == 1;
                        in_a_row = if worked { 0 } else { in_a_row + 1 };
                        breaker = breaker.ended(worked, policy, now);
                        running -= 1;
                    }
                    _ => {}
                }
            }
        }
    }
}
