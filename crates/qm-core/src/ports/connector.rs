//! The outside: connectors deliver, notifiers tell. They return outcomes; the engine records them.

use async_trait::async_trait;

use super::bucket::Content;
use crate::alert::Notification;
use crate::delivery::{Delivery, Outcome};
use crate::load::{Counts, Load};
use crate::template::Facts;
use crate::{Error, Kind, Result};

/// The code for one kind of destination, set up for one destination.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Performs and verifies the delivery. Nothing of it may show at the destination under its
    /// final name before it is whole. `fence` is asked right before the effect becomes
    /// visible: an error means that a newer version got there first or the lease is lost. What an
    /// earlier attempt left behind is continued or removed.
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome;

    /// Takes away what deliveries put under the target, if it still is what one of `copies` put
    /// there; anything else stays, and the note says so. Asks `fence` right before. Done again it does
    /// no harm.
    async fn remove(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Outcome {
        let _ = (shipment, copies, fence);
        Outcome::Failed(Error::new(
            Kind::Unsupported,
            "nothing can be taken away from this destination",
        ))
    }

    /// Whether the destination holds this delivery's effect already; asked before it is sent again
    /// when nobody knows how an attempt ended.
    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool>;

    /// What became of the rows of a delivery that `is_delivered` says is there, as the destination
    /// itself remembers it; `None` where no rows go, or if it does not.
    async fn loaded(&self, _shipment: &Shipment<'_>) -> Result<Option<Load>> {
        Ok(None)
    }

    /// True if `is_delivered` = false proves that it was not delivered; false where whoever owns the
    /// destination may have taken the file away: sending it again may be a duplicate.
    fn proves_absence(&self) -> bool;

    /// Tries all that a delivery needs and leaves nothing behind; for `destination test`.
    async fn test(&self) -> Vec<Finding>;
}

/// What a connector is given to deliver.
#[derive(Clone, Copy, Debug)]
pub struct Shipment<'a> {
    /// The delivery; its id goes along wherever it can be carried.
    pub delivery: &'a Delivery,
    /// The name at the destination, relative to it.
    pub target: &'a str,
    /// What placeholders in the destination's settings stand for.
    pub facts: Facts<'a>,
    /// How much may be sent in a second, by this attempt; `None` for as much as there is.
    pub pace: Option<&'a dyn Pace>,
    /// Whom a table tells how far it is; `None` if nobody listens.
    pub progress: Option<&'a dyn RowProgress>,
}

/// Hears how many rows a load has done. Cheap: it may be called for every batch.
pub trait RowProgress: Send + Sync + std::fmt::Debug {
    /// So many since the load began, this attempt's and those of attempts that it goes on from.
    fn rows(&self, counts: Counts);

    /// From now on the load waits for its turn at what others have, or goes on: what they take is
    /// none of its time.
    fn waits(&self, _is_waiting: bool) {}
}

/// Slows down what is sent.
#[async_trait]
pub trait Pace: Send + Sync + std::fmt::Debug {
    /// Returns when so many bytes may be sent.
    async fn take(&self, bytes: u64);
}

/// One thing that a test of a destination found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was tried, in a few words.
    pub what: String,
    /// A sentence, or why it failed; later findings are missing then.
    pub result: std::result::Result<String, String>,
}

/// The last check before an effect.
#[async_trait]
pub trait Fence: Send + Sync {
    /// An error if the lease is lost or a newer version has been delivered to the same target.
    async fn check(&self) -> Result<()>;
}

/// The code for one kind of notifier, set up for one notifier.
#[async_trait]
pub trait NotifierPort: Send + Sync {
    /// Sends the message; `Ok` means that the other side took it.
    async fn send(&self, notification: &Notification) -> Result<()>;
}
