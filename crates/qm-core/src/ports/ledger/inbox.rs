//! Raw events from outside.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;
use crate::alert::{NewAlert, Notice};
use crate::audit::AuditRecord;
use crate::id::BucketName;

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

    /// Dead ones that last changed before `before` are done, and what killed them stays their note;
    /// their alerts are resolved without a message, `audit` is appended about each of them, and the
    /// notice told if there is any, in one transaction. Returns how many.
    async fn purge_events(
        &self,
        before: Timestamp,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<u32>;

    /// Forgets done ones received before `before`, at most `limit`; returns how many. The ids of
    /// repeated messages are known until then.
    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u32>;
}
