//! Deliveries and their attempts.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;
use crate::alert::NewAlert;
use crate::audit::AuditRecord;
use crate::delivery::{Delivery, DeliveryState, Transition};
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
    /// Until when they are the claimer's.
    pub lease_until: Timestamp,
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
    /// Claims waiting deliveries whose time has come, in order of arrival: state, fence, attempt
    /// count and an attempt row (the intent) in one transaction. At most one delivery of an
    /// ordering key (destination and target) runs at a time, and the older goes first.
    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>>;

    /// Deliveries still `running` though this node, the only one, does not run them: interrupted
    /// by a crash. Asked once at start, before the first claim.
    async fn interrupted(&self) -> Result<Vec<Delivery>>;

    /// Ends the attempt: new state, note, alert if any, in one transaction. `Conflict` if the
    /// fence is old.
    async fn finish(
        &self,
        delivery: &Delivery,
        transition: Transition,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()>;

    /// True if the delivery still has its fence and no newer arrival of the same source has been
    /// delivered to the same target.
    async fn is_latest(&self, delivery: &Delivery) -> Result<bool>;

    /// Marks waiting and dead deliveries as superseded for which a newer arrival of the same
    /// source path has a delivery to the same destination and target, by a route in `routes`.
    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32>;

    /// When the next waiting delivery is ready, if any.
    async fn next_ready(&self) -> Result<Option<Timestamp>>;

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

    /// How many deliveries are in each state, for operators.
    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>>;
}
