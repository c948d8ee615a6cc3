//! What alarms and metrics count.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;
use crate::alarm::Metric;
use crate::id::DestinationName;
use crate::load::Counts;

/// Deliveries of a destination in a state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateCount {
    /// Where to.
    pub destination: DestinationName,
    /// The state's word.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// Rows of all loads into a destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableCounts {
    /// Where to.
    pub destination: DestinationName,
    /// How many loads there were.
    pub loads: u64,
    /// The rows.
    pub counts: Counts,
}

/// What alarms and metrics count.
#[async_trait]
pub trait Measures: Send + Sync {
    /// The metric of a destination over what began or ended after `since`; counted no further than
    /// to [`Metric::COUNTED_MAX`]. Costs no more with many deliveries than with few.
    async fn measure(
        &self,
        destination: &DestinationName,
        metric: Metric,
        since: Timestamp,
    ) -> Result<u64>;

    /// How many deliveries each destination has in each state, by both. Looks at all of them: for
    /// whoever asks, not for a reconciler.
    async fn delivery_counts(&self) -> Result<Vec<StateCount>>;

    /// The rows of all loads into each destination, by its name. Looks at all of them.
    async fn load_counts(&self) -> Result<Vec<TableCounts>>;
}
