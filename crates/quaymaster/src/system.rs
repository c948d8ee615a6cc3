//! The wall clock and randomness of this machine: the only place that reads them.

use jiff::Timestamp;
use qm_core::id::VersionId;
use qm_core::ports::clock::{Clock, Identifiers};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Ids from the system's random number generator.
pub(crate) struct RandomIdentifiers;

impl Identifiers for RandomIdentifiers {
    fn version(&self, now: Timestamp) -> VersionId {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system has a random number generator");
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or_default();
        VersionId::from_parts(milliseconds, u128::from_ne_bytes(random))
    }
}
