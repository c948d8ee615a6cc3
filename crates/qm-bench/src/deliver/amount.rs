//! How much is delivered.

/// How much is delivered, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    /// Odd, so that the median is a run that took place.
    pub(crate) rounds: usize,
    pub(crate) bulk_bytes: u64,
    pub(crate) small_files: u32,
    /// To a directory, to see how many a second.
    pub(crate) drained: u32,
    /// Deliveries that wait in the short line and in the long one.
    pub(crate) line: u32,
    pub(crate) long_line: u32,
    /// Uploads to a node that has nothing else to do.
    pub(crate) uploads: u32,
    /// To a destination that is far away.
    pub(crate) far_files: u32,
}

impl crate::options::Amount for Amount {
    const QUICK: Self = Self {
        rounds: 1,
        bulk_bytes: 128 << 20,
        small_files: 500,
        drained: 2_000,
        line: 10_000,
        long_line: 100_000,
        uploads: 30,
        far_files: 100,
    };
    const FULL: Self = Self {
        rounds: 3,
        bulk_bytes: 1 << 30,
        small_files: 1_000,
        drained: 10_000,
        line: 10_000,
        long_line: 1_000_000,
        uploads: 100,
        far_files: 400,
    };
}
