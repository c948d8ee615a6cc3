//! What may cost many rows is not looked at on every wake.

use jiff::Timestamp;
use parking_lot::Mutex;
use std::time::Duration;

use crate::retain::later;

/// When something was looked at last. Memory only: a start looks at once.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Option<Look>>);

#[derive(Clone, Copy)]
struct Look {
    at: Timestamp,
    next: Option<Timestamp>,
}

impl Pace {
    /// When it is to be looked at next, if not now: `every` so long, and when the last look said.
    pub(crate) fn rests_until(&self, now: Timestamp, every: Duration) -> Option<Timestamp> {
        let look = (*self.0.lock())?;
        let again = later(look.at, every);
        let until = look.next.map_or(again, |next| next.min(again));
        // A clock that was set back must not make it rest for longer.
        (look.at <= now && now < until).then_some(until)
    }

    /// It was looked at and asks for the next look.
    pub(crate) fn looked(&self, at: Timestamp, next: Option<Timestamp>) {
        *self.0.lock() = Some(Look { at, next });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[track_caller]
    fn check(next: Option<i64>, now: i64, expect: Option<i64>) {
        let second = |s: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(s);
        let pace = Pace::default();
        assert_eq!(pace.rests_until(second(now), Duration::from_secs(30)), None);
        pace.looked(second(100), next.map(second));
        let until = pace.rests_until(second(now), Duration::from_secs(30));
        assert_eq!(until, expect.map(second), "{next:?} at {now}");
    }

    #[test]
    fn it_rests_until_it_is_time_or_asked_for() {
        check(None, 100, Some(130));
        check(None, 129, Some(130));
        check(None, 130, None);
        check(Some(110), 109, Some(110));
        check(Some(110), 110, None);
        check(Some(500), 110, Some(130));
        check(None, 99, None);
    }
}
