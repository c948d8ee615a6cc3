//! How much is loaded.

/// How much is loaded, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    /// Odd, so that the median is a run that took place.
    pub(crate) rounds: usize,
    pub(crate) rows: u64,
    /// For DynamoDB.
    pub(crate) items: u64,
}

impl crate::options::Amount for Amount {
    const QUICK: Self = Self {
        rounds: 1,
        rows: 200_000,
        items: 1_000,
    };
    const FULL: Self = Self {
        rounds: 3,
        rows: 5_000_000,
        items: 20_000,
    };
}
