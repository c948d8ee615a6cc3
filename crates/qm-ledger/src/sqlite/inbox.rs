//! Raw events: rows before anybody has understood them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice, dead_event_key};
use qm_core::audit::AuditRecord;
use qm_core::id::BucketName;
use qm_core::ports::ledger::{EventState, Inbox, InboxRow, RawEvent};
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::fault::{Fault, Sql};
use super::statements::{Columns, Statements as _, micros, only};
use super::{SqliteLedger, alerts, audit};

macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT id, bucket, event, body, received_at, state, ready_at, note, attempts,
                 last_error FROM inbox ",
            $rest
        )
    };
}

pub(super) const DUE: &str =
    select_events!("WHERE state = 'waiting' AND ready_at <= ?1 ORDER BY ready_at, id LIMIT ?2");

pub(super) const NEXT: &str = "SELECT min(ready_at) FROM inbox WHERE state = 'waiting'";

pub(super) const DEAD: &str = select_events!("WHERE state = 'dead' ORDER BY id DESC LIMIT ?1");

pub(super) const FORGET: &str = "DELETE FROM inbox WHERE id IN
     (SELECT id FROM inbox WHERE state = 'done' AND received_at < ?1 LIMIT ?2)";

fn receive(connection: &Connection, events: &[RawEvent]) -> Sql<u32> {
    let mut added = 0;
    for event in events {
        if event.body.len() > RawEvent::BODY_BYTES_MAX {
            let error = Error::new(Kind::Limit, "the message is too long to be recorded");
            return Err(error.with("size_bytes", event.body.len()).into());
        }
        added += connection.run(
            "INSERT INTO inbox (bucket, event, body, received_at, state, ready_at, attempts,
                 updated_at)
             VALUES (?1, ?2, ?3, ?4, 'waiting', ?4, 0, ?4) ON CONFLICT (bucket, event) DO NOTHING",
            (
                event.bucket.as_str(),
                &event.id,
                &event.body,
                micros(event.received_at),
            ),
        )?;
    }
    Ok(rows(added))
}

fn read(
    connection: &Connection,
    id: i64,
    state: &EventState,
    error: Option<&str>,
    alert: Option<&NewAlert>,
    at: Timestamp,
) -> Sql<()> {
    let (word, ready_at, note) = match state {
        EventState::Waiting(at) => ("waiting", Some(micros(*at)), None),
        EventState::Done(note) => ("done", None, Some(note)),
        EventState::Dead(note) => ("dead", None, Some(note)),
    };
    let changed = connection.run(
        "UPDATE inbox SET state = ?2, ready_at = ?3, note = ?4, attempts = attempts + 1,
             last_error = ?5, updated_at = ?6
         WHERE id = ?1 AND state = 'waiting'",
        (id, word, ready_at, note, error, micros(at)),
    )?;
    if changed == 0 {
        return Err(not_waiting(connection, id)?.into());
    }
    if let Some(alert) = alert {
        alerts::raise(connection, alert)?;
    }
    Ok(())
}

fn not_waiting(connection: &Connection, id: i64) -> Sql<Error> {
    let is_there = connection.holds("SELECT EXISTS (SELECT 1 FROM inbox WHERE id = ?1)", [id])?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the event is not waiting")
    } else {
        Error::new(Kind::NotFound, "no such event")
    };
    Ok(error.with("event", id))
}

fn redrive(
    connection: &Connection,
    id: Option<i64>,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<u32> {
    let count = connection.run(
        "UPDATE inbox SET state = 'waiting', ready_at = ?2, note = NULL, attempts = 0,
             updated_at = ?2
         WHERE state = 'dead' AND (?1 IS NULL OR id = ?1)",
        (id, micros(at)),
    )?;
    audit::append(connection, record)?;
    Ok(rows(count))
}

pub(super) const PURGE: &str = "UPDATE inbox
     SET state = 'done', note = 'purged: ' || note, updated_at = ?2
     WHERE state = 'dead' AND updated_at < ?1 RETURNING id";

fn purge(
    connection: &Connection,
    before: Timestamp,
    record: &AuditRecord,
    notice: Option<&Notice>,
    at: Timestamp,
) -> Sql<u32> {
    let purged: Vec<i64> = connection.all(PURGE, (micros(before), micros(at)), only::value)?;
    for id in &purged {
        alerts::resolve(connection, &dead_event_key(*id), None, at)?;
        let record = AuditRecord {
            subject: format!("event {id}"),
            ..record.clone()
        };
        audit::append(connection, &record)?;
    }
    if let Some(notice) = notice.filter(|_| !purged.is_empty()) {
        alerts::notice(connection, notice, at)?;
    }
    Ok(rows(purged.len()))
}

fn list(connection: &Connection, limit: u32, is_dead: Option<bool>) -> Sql<Vec<InboxRow>> {
    let sql = match is_dead {
        None => select_events!("ORDER BY id DESC LIMIT ?1"),
        Some(true) => DEAD,
        Some(false) => select_events!("WHERE state <> 'dead' ORDER BY id DESC LIMIT ?1"),
    };
    connection.all(sql, [limit], row)
}

fn row(columns: &mut Columns<'_>) -> Sql<InboxRow> {
    Ok(InboxRow {
        id: columns.value()?,
        event: RawEvent {
            bucket: columns.parsed(BucketName::parse)?,
            id: columns.value()?,
            body: columns.value()?,
            received_at: columns.time()?,
        },
        state: state(columns)?,
        attempts: columns.value()?,
        last_error: columns.value()?,
    })
}

fn state(columns: &mut Columns<'_>) -> Sql<EventState> {
    let word: String = columns.value()?;
    let ready_at = columns.time_if_any()?;
    let note: Option<String> = columns.value()?;
    match (word.as_str(), ready_at, note) {
        ("waiting", Some(at), None) => Ok(EventState::Waiting(at)),
        ("done", None, Some(note)) => Ok(EventState::Done(note)),
        ("dead", None, Some(note)) => Ok(EventState::Dead(note)),
        (_, _, _) => Err(Fault::Refused(
            Error::new(
                Kind::Bug,
                "the ledger holds an event in a state that this program does not know",
            )
            .with("state", word),
        )),
    }
}

fn rows(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[async_trait]
impl Inbox for SqliteLedger {
    async fn receive(&self, events: Vec<RawEvent>) -> Result<u32> {
        self.write("record events", move |c| receive(c, &events))
            .await
    }

    async fn due_events(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxRow>> {
        self.read("list events to read", move |c| {
            c.all(DUE, (micros(now), limit), row)
        })
        .await
    }

    async fn next_event(&self) -> Result<Option<Timestamp>> {
        let next = self
            .read("look for the next event", |c| {
                c.first(NEXT, [], only::time_if_any)
            })
            .await?;
        Ok(next.flatten())
    }

    async fn event_read(
        &self,
        id: i64,
        state: EventState,
        error: Option<String>,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()> {
        self.write("record what became of an event", move |c| {
            read(c, id, &state, error.as_deref(), alert.as_ref(), at)
        })
        .await
    }

    async fn events(&self, limit: u32, is_dead: Option<bool>) -> Result<Vec<InboxRow>> {
        self.read("list events", move |c| list(c, limit, is_dead))
            .await
    }

    async fn redrive_events(
        &self,
        id: Option<i64>,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<u32> {
        self.write("redrive events", move |c| redrive(c, id, &audit, at))
            .await
    }

    async fn purge_events(
        &self,
        before: Timestamp,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<u32> {
        self.write("purge dead events", move |c| {
            purge(c, before, &audit, notice.as_ref(), at)
        })
        .await
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.write("forget events", move |c| {
            let count = c.run(FORGET, (micros(before), limit))?;
            Ok(rows(count))
        })
        .await
    }
}
