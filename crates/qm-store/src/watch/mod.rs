//! Notices files that others put into a bucket. A watch decides nothing: what it saw becomes a raw
//! event in the ledger's inbox, and whoever reads that asks the bucket what is there.
//!
//! | watch | learns from | may miss |
//! |---|---|---|
//! | [`SqsWatch`] | notifications of the store in a queue | what the store does not announce |
//! | [`ListingWatch`] | listing the bucket again and again | what came and went between two listings |
//! | [`ListingWatch::of_directory`] | the same; the kernel says where to look at once | the same |

mod inotify;
mod known;
mod listing;
mod look;
mod mark;
mod settling;
mod sqs;
#[cfg(test)]
mod tests;
mod trouble;
mod walk;

use qm_core::id::{BucketName, NotifierName};
use qm_core::ports::clock::Clock;
use qm_core::ports::ledger::Ledger;
use std::sync::Arc;
use tokio::sync::watch;

pub use listing::{ListingWatch, Timing};
pub use sqs::SqsWatch;

/// What a watch stands on.
#[derive(Clone)]
pub struct WatchPorts {
    /// The bucket it watches.
    pub bucket: BucketName,
    /// Where what it saw is recorded.
    pub ledger: Arc<dyn Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who is told when it cannot see.
    pub alert: Vec<NotifierName>,
}

/// Ends when the node is asked to stop, or whoever could ask is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
