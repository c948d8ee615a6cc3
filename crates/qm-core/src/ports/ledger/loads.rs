//! Loads: what became of the rows of files that went into tables, one a delivery.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;
use crate::audit::AuditRecord;
use crate::delivery::{Delivery, DeliveryState};
use crate::id::{DeliveryId, DestinationName, RouteName};
use crate::load::{Counts, LoadStatus};
use crate::name::ObjectPath;

/// Which loads.
#[derive(Clone, Debug, Default)]
pub struct LoadFilter {
    /// Only of this delivery.
    pub delivery: Option<DeliveryId>,
    /// Only into this destination.
    pub destination: Option<DestinationName>,
    /// At most so many, newest first; 0 for all.
    pub limit: u32,
}

/// How far a load is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadProgress {
    /// The kind of table, see [`crate::load::Load::engine`].
    pub engine: String,
    /// The table.
    pub table: String,
    /// The rows so far.
    pub counts: Counts,
}

/// Where a load stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoadState {
    /// Its attempt runs.
    Running,
    /// An attempt failed, another one will be made.
    Waiting,
    /// No attempt will be made any more unless the dead letter is redriven.
    Failed,
    /// It was given up: superseded, cancelled or purged.
    GivenUp,
    /// It ended.
    Ended(LoadStatus),
    /// It ended, and its rows were taken back.
    Undone,
}

impl LoadState {
    /// The word on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::GivenUp => "given up",
            Self::Ended(status) => status.as_str(),
            Self::Undone => "undone",
        }
    }

    /// Of a load whose delivery stands so, by what the ledger knows of it.
    pub fn of(delivery: &DeliveryState, counts: Counts, has_ended: bool, is_undone: bool) -> Self {
        match delivery {
            _ if is_undone => Self::Undone,
            _ if has_ended => Self::Ended(counts.status()),
            DeliveryState::Running { .. } => Self::Running,
            DeliveryState::Waiting { .. } => Self::Waiting,
            DeliveryState::Dead => Self::Failed,
            DeliveryState::Delivered
            | DeliveryState::Superseded
            | DeliveryState::Cancelled
            | DeliveryState::Purged => Self::GivenUp,
        }
    }
}

/// A load as the ledger holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedLoad {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// Of which file.
    pub source: ObjectPath,
    /// By which route.
    pub route: RouteName,
    /// Where to.
    pub destination: DestinationName,
    /// The kind of table.
    pub engine: String,
    /// The table.
    pub table: String,
    /// Where it stands.
    pub state: LoadState,
    /// The rows; those so far until it has ended.
    pub counts: Counts,
    /// Where the rejected ones are.
    pub rejects: Option<ObjectPath>,
    /// When its first attempt began.
    pub began_at: Timestamp,
    /// When the rows were counted last.
    pub told_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Loads.
#[async_trait]
pub trait Loads: Send + Sync {
    /// The load of a delivery that runs is so far. `Conflict` if the fence is old or this node's
    /// lease was over in between. That it ended is recorded by [`super::Deliveries::finish`].
    async fn load_progress(
        &self,
        delivery: &Delivery,
        progress: LoadProgress,
        at: Timestamp,
    ) -> Result<()>;

    /// Loads by filter.
    async fn loads(&self, filter: LoadFilter) -> Result<Vec<RecordedLoad>>;

    /// The rows of a load that ended were taken back; false if it has not ended or they were
    /// before.
    async fn load_undone(
        &self,
        delivery: DeliveryId,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<bool>;
}
