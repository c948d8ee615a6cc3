//! Deliveries and their attempts.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;
use crate::alert::{NewAlert, Notice};
use crate::audit::AuditRecord;
use crate::delivery::{Delivery, DeliveryState, Finished, Transition};
use crate::id::{DeliveryId, DestinationName, RouteName};

/// What to claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Only deliveries to this destination.
    pub destination: DestinationName,
    /// At most so many.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only this one.
    pub id: Option<DeliveryId>,
    /// Only in a state of this name.
    pub state: Option<&'static str>,
    /// Only of this route.
    pub route: Option<RouteName>,
    /// Only to this destination.
    pub destination: Option<DestinationName>,
    /// Only created at this time or later.
    pub since: Option<Timestamp>,
    /// Only created before this time.
    pub until: Option<Timestamp>,
    /// Only those that last changed before this time.
    pub unchanged_since: Option<Timestamp>,
    /// At most so many, newest first; 0 for all.
    pub limit: u32,
}

/// One attempt of a delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Counted from 1 over the whole life of the delivery.
    pub number: u32,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; `None` while it runs or if the node died in it.
    pub ended_at: Option<Timestamp>,
    /// `delivered`, or why not.
    pub note: Option<String>,
}

/// Deliveries and their attempts.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Destinations that waiting deliveries whose time has come go to, whether the running
    /// revision has them or not: by name, after `after`, at most `limit`. Costs no more with many
    /// deliveries than with few.
    async fn waiting_at(
        &self,
        now: Timestamp,
        after: Option<&DestinationName>,
        limit: u32,
    ) -> Result<Vec<DestinationName>>;

    /// Claims waiting deliveries whose time has come for this node, in order of arrival: state,
    /// fence, attempt count and an attempt row (the intent) in one transaction. At most one
    /// delivery of an ordering key (destination and target) runs at a time, on any node, and the
    /// older goes first; one that is independent waits for an older one only while that runs.
    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>>;

    /// Running deliveries that nobody runs: those of nodes whose lease is over, of this node's
    /// earlier runs, and of this run that are not in `held`. They are this run's now, under a new
    /// fence: whoever comes back late is fenced off.
    async fn interrupted(&self, held: &[DeliveryId], now: Timestamp) -> Result<Vec<Delivery>>;

    /// Ends the attempt: new state, note, alert if any, its load with the notice of it, what is to be
    /// done to the object, in one transaction. `Conflict` if the fence is old or this node's lease was over in between.
    async fn finish(
        &self,
        delivery: &Delivery,
        transition: Transition,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()>;

    /// The name at the destination is another than was known when the delivery was created: it
    /// changes its ordering key. True if the attempt goes on under the new one; false if another of
    /// that key runs, or is older and waits: then this one waits behind it, and its attempt does not
    /// count. `Conflict` as in [`Deliveries::finish`].
    async fn retarget(&self, delivery: &Delivery, target: &str, at: Timestamp) -> Result<bool>;

    /// What may be under the target of a removal: deliveries from the same source that put something
    /// there, or tried to, up to the one that is removed, newest first; a few.
    async fn copies(&self, removal: &Delivery) -> Result<Vec<Delivery>>;

    /// True if the delivery still has its fence and this node its lease.
    async fn is_held(&self, delivery: &Delivery) -> Result<bool>;

    /// True if it is held, see [`Deliveries::is_held`], and no newer arrival of the same source has been
    /// delivered to the same target; for a removal of any source. What was removed already is not put
    /// there any more either.
    async fn is_latest(&self, delivery: &Delivery) -> Result<bool>;

    /// Marks waiting and dead deliveries as superseded for which a newer arrival of the same
    /// source path has a delivery to the same destination and target, by a route in `routes`; one that
    /// adds ([`crate::delivery::NewDelivery::adds`]) takes nobody's place. Returns how many, a few hundred
    /// at most: to be repeated until none is left.
    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32>;

    /// Waiting ones that last changed later than `now`, for the clock was set back since, are due at
    /// `now` and not only when the clock comes there again. Returns how many, a few hundred at most:
    /// to be repeated until none is left.
    async fn clock_set_back(&self, now: Timestamp) -> Result<u32>;

    /// When the next waiting delivery is ready, if any.
    async fn next_ready(&self) -> Result<Option<Timestamp>>;

    /// Objects that something is to be done to: of deliveries with
    /// [`crate::delivery::NewDelivery::has_after`] that were delivered, once every delivery of their
    /// version has been delivered or superseded: a cancelled one is no success and holds it back;
    /// and of rejected ones.
    async fn finished(&self, limit: u32) -> Result<Vec<Finished>>;

    /// It was done, or will not be; `note` becomes the last line of the delivery's attempts.
    async fn tidied(&self, delivery: DeliveryId, note: &str, at: Timestamp) -> Result<()>;

    /// The delivery that has been waiting or running for longest, if any.
    async fn oldest_open(&self) -> Result<Option<Delivery>>;

    /// The waiting deliveries of the route whose files arrived first, in order of arrival. Costs no
    /// more with many deliveries than with few.
    async fn oldest_waiting(&self, route: &RouteName, limit: u32) -> Result<Vec<Delivery>>;

    /// A waiting one becomes a dead letter without an attempt; `note` becomes the last line of its
    /// attempts. `Conflict` if it does not wait any more.
    async fn expire(
        &self,
        delivery: &Delivery,
        note: String,
        alert: NewAlert,
        at: Timestamp,
    ) -> Result<()>;

    /// Gives up waiting and dead ones, resolves their alerts without a message. Returns those that
    /// were given up.
    async fn cancel(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>>;

    /// Deliveries by filter.
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>>;

    /// The attempts of one, oldest first.
    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>>;

    /// Gives dead ones new attempts from `at`, resolves their alerts without a message. Returns
    /// those that were redriven.
    async fn redrive(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>>;

    /// Purges dead ones: no redrive brings them back. Resolves their alerts without a message,
    /// appends `audit` about each of them, and tells the notice if there is any, in one transaction.
    /// Returns those that were purged.
    async fn purge(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>>;

    /// How many deliveries are in each state, for operators.
    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>>;
}
