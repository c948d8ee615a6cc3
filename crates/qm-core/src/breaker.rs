//! The circuit breaker of a destination: pure states, the engine keeps one a destination.

use jiff::Timestamp;

use crate::config::BreakerPolicy;

/// Whether a destination is tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Breaker {
    /// It works, but for so many failures in a row.
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
    /// How many of `wanted` deliveries may begin now; when to ask again if none.
    pub fn admits(&self, wanted: u32, now: Timestamp) -> (u32, Option<Timestamp>) {
        let _ = (wanted, now);
        todo!()
    }

    /// Deliveries were begun.
    pub fn begun(self, now: Timestamp) -> Self {
        let _ = now;
        todo!()
    }

    /// One ended: `worked` is false if the destination failed, not if it refused one file.
    pub fn ended(self, worked: bool, policy: BreakerPolicy, now: Timestamp) -> Self {
        let _ = (worked, policy, now);
        todo!()
    }
}
