//! Bandwidth: how many bytes a second go to a destination, over all its attempts. Time is the
//! runtime's, which no correction of the wall clock moves.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::id::DestinationName;
use qm_core::ports::connector::Pace;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::stall::Progress;

/// An attempt that waits for its turn shows that it moves so often.
const MOVES_EVERY: Duration = Duration::from_mins(1);
/// Longer than any delivery, and short enough for every clock.
const WAIT_MAX: Duration = Duration::from_hours(365 * 24);

/// One a destination that has a limit.
#[derive(Default)]
pub(super) struct Throttles(Mutex<BTreeMap<DestinationName, Arc<Throttle>>>);

impl Throttles {
    /// The destination's, at this rate. Attempts that began under another rate keep theirs.
    pub(super) fn of(&self, destination: &DestinationName, bytes_per_second: u64) -> Arc<Throttle> {
        let mut throttles = self.0.lock();
        // One that nobody waits for is as good as a new one.
        throttles.retain(|_, throttle| {
            Arc::strong_count(throttle) > 1 || *throttle.free_at.lock() > Instant::now()
        });
        let known = throttles
            .get(destination)
            .filter(|throttle| throttle.bytes_per_second == bytes_per_second);
        if let Some(throttle) = known {
            return Arc::clone(throttle);
        }
        let throttle = Arc::new(Throttle {
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
        });
        throttles.insert(destination.clone(), Arc::clone(&throttle));
        throttle
    }
}

/// Lets bytes through at a rate, in the order in which they ask.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_second: u64,
    /// When those who have asked are through.
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// When these bytes may go. What was not used before is lost: no burst makes up for it.
    fn reserve(&self, bytes: u64) -> Instant {
        let nanoseconds =
            u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let now = Instant::now();
        let mut free_at = self.free_at.lock();
        let begin = (*free_at).max(now);
        *free_at = (begin + cost.min(WAIT_MAX)).min(now + WAIT_MAX);
        begin
    }
}

/// One attempt's access to its destination's throttle.
#[derive(Debug)]
pub(super) struct Paced {
    pub(super) throttle: Arc<Throttle>,
    pub(super) progress: Arc<Progress>,
}

#[async_trait]
impl Pace for Paced {
    async fn take(&self, bytes: u64) {
        let begin = self.throttle.reserve(bytes);
        while let Some(left) = begin.checked_duration_since(Instant::now())
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(MOVES_EVERY)).await;
            self.progress.moves();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_over_all_that_ask() {
        let throttles = Throttles::default();
        let name = DestinationName::parse("share").unwrap();
        let [one, other] = [(); 2].map(|()| throttles.of(&name, 1000));
        let began = Instant::now();
        assert_eq!(one.reserve(500), began);
        assert_eq!(other.reserve(2000), began + Duration::from_millis(500));
        assert_eq!(one.reserve(1), began + Duration::from_millis(2500));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(one.reserve(1000), Instant::now());
        assert_eq!(one.reserve(0), Instant::now() + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_escapes_by_ending_and_beginning_anew() {
        let throttles = Throttles::default();
        let name = DestinationName::parse("share").unwrap();
        let began = Instant::now();
        throttles.of(&name, 1000).reserve(3000);
        assert_eq!(
            throttles.of(&name, 1000).reserve(1),
            began + Duration::from_secs(3)
        );
        let faster = throttles.of(&name, 5000);
        assert_eq!(faster.reserve(1), began);
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(faster);
        throttles.of(&DestinationName::parse("other").unwrap(), 1);
        assert_eq!(throttles.0.lock().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_is_too_slow_to_count() {
        let throttle = Throttle {
            bytes_per_second: 0,
            free_at: Mutex::new(Instant::now()),
        };
        for _ in 0..3 {
            throttle.reserve(u64::MAX);
        }
        assert!(throttle.reserve(1) <= Instant::now() + WAIT_MAX);
    }
}
