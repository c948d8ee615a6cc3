//! The outside: connectors deliver, notifiers tell. They return outcomes; the engine records them.

use async_trait::async_trait;

use super::bucket::Content;
use crate::Result;
use crate::alert::Notification;
use crate::delivery::{Delivery, Outcome};

/// The code for one kind of destination, set up for one destination.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Performs and verifies the delivery. Nothing of it may show at the destination under its
    /// final name before it is whole. `fence` is asked right before the effect becomes
    /// visible: an error means that a newer version got there first or the lease is lost.
    async fn deliver(
        &self,
        delivery: &Delivery,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome;

    /// After a crash: whether the destination holds this delivery's effect already.
    async fn is_delivered(&self, delivery: &Delivery) -> Result<bool>;
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
