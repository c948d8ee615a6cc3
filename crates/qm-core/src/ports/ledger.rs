//! The ledger: the truth about what happened. Every method is one transaction; `Ok` means that it
//! is durable. Small traits by noun; [`Ledger`] is all of them.

use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::BoxFuture;
use super::bucket::Attributes;
use crate::Result;
use crate::account::SshPublicKey;
use crate::alert::{Alert, NewAlert, Notification, Text};
use crate::arrival::{Arrival, Partial};
use crate::audit::AuditRecord;
use crate::delivery::{Delivery, DeliveryState, NewDelivery, Transition};
use crate::expectation::{Slot, SlotState};
use crate::id::{
    AccountName, ArrivalSeq, BucketName, DeliveryId, DestinationName, ExpectationName,
    RevisionNumber, RouteName, VersionId,
};
use crate::name::{ObjectPath, Prefix};
use crate::operation::{NameChange, Operation, Version};

/// All of the ledger.
pub trait Ledger:
    AccountKeys
    + Alerts
    + Arrivals
    + Audit
    + Deliveries
    + Inbox
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
        + Inbox
        + NameAttributes
        + Names
        + Nodes
        + Partials
        + Revisions
        + Slots
{
}

/// Versions, name operations, and which version is current under which name.
#[async_trait]
pub trait Names: Send + Sync {
    /// Records a change before it is made: version (if new), operation, arrival (if any; its
    /// state is `appearing`) and audit record, in one transaction. `Arrival::duplicate_of` is
    /// decided here: same account, path and digest within 24 h. A partial with the change's
    /// version is forgotten in the same transaction.
    async fn record(&self, change: NameChange) -> Result<Operation>;

    /// The operation was run: its arrival has `arrived` and can be routed, the names are moved,
    /// `replaces` is registered as kept if it was kept aside, and `version` if `keep_moved`.
    /// Enqueued during the call, in the order of calls and before any later `record`; the future
    /// ends when it is durable. Until then readers may not see it: whoever relies on
    /// [`Names::current`] keeps the names locked to the end.
    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>>;

    /// The operation failed for good: its arrival is `failed`, the names stay as they were, and
    /// the alert is raised as by [`Alerts::raise`], in one transaction. Failing it again changes
    /// nothing.
    async fn fail(&self, operation: &Operation, reason: &str, alert: NewAlert) -> Result<()>;

    /// Operations recorded and neither completed nor failed, in seq order. At most one a key.
    async fn pending(&self) -> Result<Vec<Operation>>;

    /// The version that the last completed operation left under the name.
    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>>;

    /// True while something still needs the version's bytes: an arrival of it not routed yet, or
    /// a delivery of it that is waiting, running or dead.
    async fn is_needed(&self, version: VersionId) -> Result<bool>;

    /// Current versions that were completed without an arrival and still have
    /// [`Version::staged`]: uploads under temp names that their bucket shows no object for.
    /// [`Names::complete`] of an operation with an arrival clears `staged`.
    async fn hidden(&self) -> Result<Vec<(ObjectPath, Version)>>;

    /// Others put a file into the bucket: version, current name and an arrival with
    /// [`crate::arrival::Cause::Found`] that has `arrived`, in one transaction. `None`, and nothing
    /// recorded, if the version under the name has this identity already, was received by us
    /// (`version.id` is known), or an operation on the name is pending.
    async fn found(
        &self,
        path: &ObjectPath,
        version: Version,
        audit: AuditRecord,
    ) -> Result<Option<ArrivalSeq>>;

    /// The versions kept under a name: superseded or removed there, newest first.
    async fn kept(&self, path: &ObjectPath) -> Result<Vec<KeptVersion>>;

    /// Versions kept aside that nothing needs any more and no retention keeps: those that were only
    /// kept for a delivery (under the key they had been renamed from), and of the superseded and
    /// removed ones those beyond [`Retention::versions`] of their name or older than
    /// [`Retention::age`]. A bucket without retention keeps none.
    async fn releasable(
        &self,
        retention: &BTreeMap<BucketName, Retention>,
        now: Timestamp,
    ) -> Result<Vec<KeptVersion>>;

    /// Their bytes are gone.
    async fn released(&self, versions: &[VersionId]) -> Result<()>;

    /// A version by id.
    async fn version(&self, id: VersionId) -> Result<Option<Version>>;
}

/// A version whose bytes are kept though no name shows them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptVersion {
    /// The name it had.
    pub path: ObjectPath,
    /// The version.
    pub version: Version,
    /// Since when.
    pub kept_at: Timestamp,
}

/// How long superseded and removed versions of a bucket are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// So many of a name, the newest.
    pub versions: u32,
    /// So long; `None` for ever.
    pub age: Option<Duration>,
}

/// Attributes of files in buckets that cannot keep them themselves without writing the object
/// again.
#[async_trait]
pub trait NameAttributes: Send + Sync {
    /// Sets what is given, keeps what is not. They belong to the file with this identity: under
    /// another one earlier values are forgotten.
    async fn set_name_attributes(
        &self,
        path: &ObjectPath,
        identity: &str,
        attributes: Attributes,
    ) -> Result<()>;

    /// Those of the name, with the identity they belong to.
    async fn name_attributes(&self, path: &ObjectPath) -> Result<Option<(String, Attributes)>>;

    /// Those of all files directly in a folder, by file name.
    async fn name_attributes_in(
        &self,
        bucket: &BucketName,
        folder: &Prefix,
    ) -> Result<BTreeMap<String, (String, Attributes)>>;
}

/// A message from outside, before anybody has understood it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawEvent {
    /// The bucket whose watch received it.
    pub bucket: BucketName,
    /// What makes a repeated message the same one.
    pub id: String,
    /// Its text, at most [`RawEvent::BODY_BYTES_MAX`].
    pub body: String,
    /// When it came.
    pub received_at: Timestamp,
}

impl RawEvent {
    /// SQS carries 1 MiB at most.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
}

/// What became of a raw event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EventState {
    /// Its time comes at the given moment.
    Waiting(Timestamp),
    /// Understood and recorded; the note says what it was.
    Done(String),
    /// Out of attempts, or nothing that could ever be understood; the note says why.
    Dead(String),
}

/// A raw event as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboxRow {
    /// Its number.
    pub id: i64,
    /// The event.
    pub event: RawEvent,
    /// What became of it.
    pub state: EventState,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Raw events: rows before anything else is done with them.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Records them, in one transaction, waiting from their receipt; those whose bucket and id are
    /// known already change nothing. Returns how many were new. After `Ok` the source may forget
    /// them.
    async fn receive(&self, events: Vec<RawEvent>) -> Result<u32>;

    /// Waiting ones whose time has come, oldest first.
    async fn due_events(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxRow>>;

    /// When the next waiting one is due, if any.
    async fn next_event(&self) -> Result<Option<Timestamp>>;

    /// One attempt was made: the new state, the error if it failed, an alert if it is dead (raised
    /// as by [`Alerts::raise`]), in one transaction.
    async fn event_read(
        &self,
        id: i64,
        state: EventState,
        error: Option<String>,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()>;

    /// The last ones, newest first, for operators; only dead ones if asked.
    async fn events(&self, limit: u32, is_dead: Option<bool>) -> Result<Vec<InboxRow>>;

    /// Dead ones (of one id, or all) wait again from `at`; returns how many.
    async fn redrive_events(
        &self,
        id: Option<i64>,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<u32>;

    /// Forgets done ones received before `before`, at most `limit`; returns how many. The ids of
    /// repeated messages are known until then.
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u32>;
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

    /// Messages whose time has come, oldest first.
    async fn due_notifications(&self, now: Timestamp, limit: u32) -> Result<Vec<Notification>>;

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
    /// When the node took it up.
    pub taken_up_at: Option<Timestamp>,
    /// Why the node did not.
    pub rejected: Option<String>,
}

/// Revisions of the configuration.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// The newest.
    async fn revision(&self) -> Result<Option<Revision>>;

    /// Records a new one, unless the newest is the same text: then that one.
    async fn apply(&self, config: String, audit: AuditRecord, at: Timestamp) -> Result<Revision>;

    /// The node has taken it up, or says why not.
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

/// What nodes tell about themselves.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Replaces this node's report.
    async fn report(&self, report: NodeReport) -> Result<()>;

    /// The last report.
    async fn node(&self) -> Result<Option<NodeReport>>;
}
