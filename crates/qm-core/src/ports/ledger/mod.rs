//! The ledger: the truth about what happened. Every method is one transaction; `Ok` means that it
//! is durable. Small traits by noun; [`Ledger`] is all of them.

mod deliveries;
mod inbox;
mod loads;
mod measures;
mod names;

use async_trait::async_trait;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::time::Duration;

use super::BoxFuture;
use crate::Result;
use crate::account::SshPublicKey;
use crate::alert::{Alert, NewAlert, Notification, Text};
use crate::arrival::{Arrival, Partial};
use crate::audit::AuditRecord;
use crate::delivery::NewDelivery;
use crate::departure::{Departure, Following};
use crate::expectation::{Slot, SlotState};
use crate::id::{
    AccountName, ArrivalSeq, BucketName, ExpectationName, NodeName, RevisionNumber, VersionId,
};
use crate::name::{ObjectPath, Prefix};

pub use deliveries::{Attempt, Claim, Deliveries, DeliveryFilter};
pub use inbox::{EventState, Inbox, InboxRow, RawEvent};
pub use loads::{LoadFilter, LoadProgress, LoadState, Loads, RecordedLoad};
pub use measures::{Measures, StateCount, TableCounts};
pub use names::{KeptVersion, NameAttributes, Names, Retention};

/// All of the ledger.
pub trait Ledger:
    AccountKeys
    + Alerts
    + Arrivals
    + Audit
    + Deliveries
    + Departures
    + Inbox
    + Loads
    + Measures
    + NameAttributes
    + Names
    + Nodes
    + Partials
    + Revisions
    + Slots
{
}

impl<T> Ledger for T where
    T: AccountKeys
        + Alerts
        + Arrivals
        + Audit
        + Deliveries
        + Departures
        + Inbox
        + Loads
        + Measures
        + NameAttributes
        + Names
        + Nodes
        + Partials
        + Revisions
        + Slots
{
}

/// Broken-off uploads.
#[async_trait]
pub trait Partials: Send + Sync {
    /// Records one; replaces an earlier one of the same account and path, and returns that, whose
    /// staged bytes the caller discards.
    async fn park(&self, partial: Partial, audit: AuditRecord) -> Result<Option<Partial>>;

    /// The one of this account and path.
    async fn find(&self, account: &AccountName, path: &ObjectPath) -> Result<Option<Partial>>;

    /// All.
    async fn partials(&self) -> Result<Vec<Partial>>;

    /// Forgets one (resumed, expired or discarded) and resolves nothing else.
    async fn forget(&self, version: VersionId) -> Result<()>;
}

/// Departures and their outbox.
#[async_trait]
pub trait Departures: Send + Sync {
    /// Departures that nothing followed of yet, in seq order; none of a version of which an arrival
    /// is still to be routed.
    async fn departures(&self, limit: u32) -> Result<Vec<Departure>>;

    /// Takes the departure out of the outbox and creates the deliveries that follow, waiting from
    /// `at`. Returns how many; 0 for a departure that is not in the outbox any more.
    async fn depart(
        &self,
        departure: &Departure,
        following: Vec<Following>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32>;

    /// Others removed the file from the bucket: if the name still shows that version and no
    /// operation on it is pending, it shows none any more, and that is a departure. False if nothing
    /// was recorded.
    async fn vanished(
        &self,
        path: &ObjectPath,
        version: VersionId,
        audit: AuditRecord,
    ) -> Result<bool>;
}

/// Arrivals and their outbox.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// Arrivals that have `arrived` and are not routed yet, in seq order.
    async fn unrouted(&self, limit: u32) -> Result<Vec<Arrival>>;

    /// Takes the arrival out of the outbox and creates its deliveries, waiting from `at`. A
    /// (route, version) that has fired before creates nothing. Returns how many were created.
    async fn route(
        &self,
        arrival: ArrivalSeq,
        deliveries: Vec<NewDelivery>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32>;

    /// Arrivals under a folder of a bucket that arrived with `from <= at <= until`, in seq order,
    /// after `after`.
    async fn between(
        &self,
        bucket: &BucketName,
        below: &Prefix,
        from: Timestamp,
        until: Timestamp,
        after: Option<ArrivalSeq>,
        limit: u32,
    ) -> Result<Vec<Arrival>>;

    /// The last arrivals, newest first, for operators.
    async fn latest(&self, limit: u32) -> Result<Vec<Arrival>>;
}

/// A slot as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedSlot {
    /// Of which expectation.
    pub expectation: ExpectationName,
    /// The slot.
    pub slot: Slot,
    /// What became of it.
    pub state: SlotState,
    /// What met it or came late.
    pub arrival: Option<ArrivalSeq>,
    /// When it was evaluated.
    pub evaluated_at: Timestamp,
}

/// Slots of expectations, each evaluated once.
#[async_trait]
pub trait Slots: Send + Sync {
    /// Up to which cutoff the expectation was evaluated; begins at `now` for one that is new.
    async fn evaluated_until(
        &self,
        expectation: &ExpectationName,
        now: Timestamp,
    ) -> Result<Timestamp>;

    /// Records the slot with its alert and moves on `evaluated_until` to its cutoff, in one
    /// transaction. A slot recorded before changes nothing: false.
    async fn record_slot(&self, slot: RecordedSlot, alert: Option<NewAlert>) -> Result<bool>;

    /// Missed slots that a file is still waited for: those whose alert (see
    /// [`crate::alert::missed_key`]) is firing, by cutoff and name.
    async fn missed(&self) -> Result<Vec<RecordedSlot>>;

    /// The missed slot was met late: state, arrival, alert resolved with a message, in one
    /// transaction.
    async fn late(
        &self,
        slot: &RecordedSlot,
        arrival: ArrivalSeq,
        alert_key: &str,
        text: Text,
        at: Timestamp,
    ) -> Result<()>;

    /// The configuration has these expectations and no others: up to when the others were
    /// evaluated is forgotten, so that one that comes back begins anew, and the alerts of their
    /// missed slots are resolved without a message, in one transaction.
    async fn retire(&self, kept: &[ExpectationName], at: Timestamp) -> Result<()>;

    /// The last slots of all expectations, newest first.
    async fn slots(&self, limit: u32) -> Result<Vec<RecordedSlot>>;
}

/// Alerts and the messages about them.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Raises the alert with a message to each notifier; false (and no message) if one with this
    /// key is firing already.
    async fn raise(&self, alert: NewAlert) -> Result<bool>;

    /// Resolves the alert, with a message to those who were told, if `text` is given; false if
    /// none with this key is firing.
    async fn resolve(&self, key: &str, text: Option<Text>, at: Timestamp) -> Result<bool>;

    /// The keys of alerts that are firing and begin so, in order.
    async fn firing(&self, begins: &str) -> Result<Vec<String>>;

    /// Messages whose time has come, oldest first. They are this node's for `hold`, by the clock of the
    /// ledger and not by `now`, which is the node's: nobody else is given them, whatever his clock says,
    /// and they come up again if nothing is heard of them.
    async fn due_notifications(
        &self,
        now: Timestamp,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<Notification>>;

    /// When the next message is ready, if any.
    async fn next_notification(&self) -> Result<Option<Timestamp>>;

    /// One attempt was made. `error` and `retry_at` both set: try again then; only `error`: dead;
    /// neither: sent.
    async fn notified(
        &self,
        id: i64,
        error: Option<String>,
        retry_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<()>;

    /// Dead messages wait again from `at`; returns how many.
    async fn resend(&self, at: Timestamp) -> Result<u32>;

    /// The last alerts, newest first.
    async fn alerts(&self, limit: u32) -> Result<Vec<Alert>>;

    /// The last messages, newest first.
    async fn notifications(&self, limit: u32) -> Result<Vec<Notification>>;
}

/// The audit.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends; enqueued during the call, the future ends when it is durable.
    fn append(&self, record: AuditRecord) -> BoxFuture<Result<()>>;

    /// The last records as (seq, record), newest first.
    async fn audit(&self, limit: u32) -> Result<Vec<(i64, AuditRecord)>>;
}

/// A revision of the configuration as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revision {
    /// Its number.
    pub number: RevisionNumber,
    /// The typed configuration, serialised as JSON.
    pub config: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// What nodes made of it.
    pub taken_up: Vec<TakenUp>,
}

/// What a node made of a revision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TakenUp {
    /// Which.
    pub node: NodeName,
    /// When.
    pub at: Timestamp,
    /// Why it did not take it up.
    pub rejected: Option<String>,
}

/// Revisions of the configuration.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// The newest.
    async fn revision(&self) -> Result<Option<Revision>>;

    /// The newest that a node has taken up, or that none has refused yet.
    async fn in_force(&self) -> Result<Option<Revision>>;

    /// Records a new one, unless the newest is the same text: then that one.
    async fn apply(&self, config: String, audit: AuditRecord, at: Timestamp) -> Result<Revision>;

    /// This node has taken it up, or says why not.
    async fn taken_up(
        &self,
        number: RevisionNumber,
        rejected: Option<String>,
        at: Timestamp,
    ) -> Result<()>;
}

/// A key added while running.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddedKey {
    /// Whose.
    pub account: AccountName,
    /// The key.
    pub key: SshPublicKey,
    /// Since when.
    pub added_at: Timestamp,
}

/// Credentials added while running.
#[async_trait]
pub trait AccountKeys: Send + Sync {
    /// Adds one; false if the account has it already.
    async fn add_key(&self, key: AddedKey, audit: AuditRecord) -> Result<bool>;

    /// Removes one; false if the account does not have it.
    async fn remove_key(
        &self,
        account: &AccountName,
        key: &SshPublicKey,
        audit: AuditRecord,
    ) -> Result<bool>;

    /// All.
    async fn keys(&self) -> Result<Vec<AddedKey>>;
}

/// What a running node tells about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeReport {
    /// Which.
    pub node: NodeName,
    /// Where the SFTP front listens.
    pub sftp_address: SocketAddr,
    /// Fingerprints of its host keys.
    pub fingerprints: Vec<String>,
    /// Its process.
    pub process: u32,
    /// The program's version.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// When it last said so; `None` once it stopped cleanly.
    pub alive_at: Option<Timestamp>,
}

/// What nodes tell about themselves, and the lease that each lives by.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Replaces this node's report and renews its lease, by the ledger's clock. `Conflict` if the
    /// lease was over: others may have taken over what this run had begun; the lease is a new one
    /// from now on and everything from before is fenced off.
    async fn report(&self, report: NodeReport) -> Result<()>;

    /// The last reports, by name.
    async fn nodes(&self) -> Result<Vec<NodeReport>>;
}
