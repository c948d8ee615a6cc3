//! How much goes over the front.

use crate::plan::CLIENTS;

/// How much is moved, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    pub(crate) bulk_bytes: u64,
    /// Of each of many clients.
    pub(crate) long_bytes: u64,
    pub(crate) small_files: u32,
    pub(crate) connects: u32,
    pub(crate) idle_sessions: u32,
    pub(crate) listed_names: u32,
    /// Odd, so that the median is a run that took place.
    pub(crate) rounds: usize,
}

impl crate::options::Amount for Amount {
    const QUICK: Self = Self {
        bulk_bytes: 128 << 20,
        // Two parts of an upload.
        long_bytes: 32 << 20,
        small_files: 500,
        connects: 50,
        idle_sessions: 50,
        listed_names: 5_000,
        rounds: 3,
    };
    const FULL: Self = Self {
        bulk_bytes: 1 << 30,
        long_bytes: 256 << 20,
        small_files: 2_000,
        connects: 200,
        idle_sessions: 200,
        listed_names: 100_000,
        rounds: 5,
    };
}

impl Amount {
    /// What many clients with long files move together.
    pub(crate) fn all_long_bytes(self) -> u64 {
        self.long_bytes * u64::from(CLIENTS)
    }

    /// What each of many clients moves: together it is the large file.
    pub(crate) fn share_bytes(self) -> u64 {
        self.bulk_bytes / u64::from(CLIENTS)
    }
}
