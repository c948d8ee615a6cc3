//! Raw events: rows before anybody has understood them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice, dead_event_key};
use qm_core::audit::AuditRecord;
use qm_core::id::BucketName;
use qm_core::ports::ledger::{EventState, Inbox, InboxRow, RawEvent};
use qm_core::{Error, Kind, Result};

use super::connection::Connection;
use super::fault::{Fault, Sql};
use super::statements::{Columns, count, micros, only, stored_text};
use super::{PostgresLedger, alerts, audit};

macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT id, bucket, event, body, received_at, state, ready_at, note, attempts,
                 last_error FROM inbox ",
            $rest
        )
    };
}

const DUE: &str =
    select_events!("WHERE state = 'waiting' AND ready_at <= $1 ORDER BY ready_at, id LIMIT $2");

async fn receive(connection: &Connection, events: &[RawEvent]) -> Sql<u32> {
    let mut added = 0;
    for event in events {
        if event.body.len() > RawEvent::BODY_BYTES_MAX {
            let error = Error::new(Kind::Limit, "the message is too long to be recorded");
            return Err(error.with("size_bytes", event.body.len()).into());
        }
        added += connection
            .run(
                "INSERT INTO inbox (bucket, event, body, received_at, state, ready_at, attempts,
                     updated_at)
                 VALUES ($1, $2, $3, $4, 'waiting', $4, 0, $4)
                 ON CONFLICT (bucket, event) DO NOTHING",
                &[
                    &event.bucket.as_str(),
                    &stored_text(&event.id),
                    &stored_text(&event.body),
                    &micros(event.received_at),
                ],
            )
            .await?;
    }
    Ok(count(added))
}

async fn read(
    connection: &Connection,
    id: i64,
    state: &EventState,
    error: Option<&str>,
    alert: Option<&NewAlert>,
    at: Timestamp,
) -> Sql<()> {
    let (word, ready_at, note) = match state {
        EventState::Waiting(at) => ("waiting", Some(micros(*at)), None),
        EventState::Done(note) => ("done", None, Some(stored_text(note))),
        EventState::Dead(note) => ("dead", None, Some(stored_text(note))),
    };
    let changed = connection
        .run(
            "UPDATE inbox SET state = $2, ready_at = $3, note = $4, attempts = attempts + 1,
                 last_error = $5, updated_at = $6
             WHERE id = $1 AND state = 'waiting'",
            &[
                &id,
                &word,
                &ready_at,
                &note,
                &error.map(stored_text),
                &micros(at),
            ],
        )
        .await?;
    if changed == 0 {
        return Err(not_waiting(connection, id).await?.into());
    }
    if let Some(alert) = alert {
        alerts::raise(connection, alert).await?;
    }
    Ok(())
}

async fn not_waiting(connection: &Connection, id: i64) -> Sql<Error> {
    let is_there = connection
        .holds("SELECT EXISTS (SELECT 1 FROM inbox WHERE id = $1)", &[&id])
        .await?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the event is not waiting")
    } else {
        Error::new(Kind::NotFound, "no such event")
    };
    Ok(error.with("event", id))
}

async fn redrive(
    connection: &Connection,
    id: Option<i64>,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<u32> {
    let redriven = connection
        .run(
            "UPDATE inbox SET state = 'waiting', ready_at = $2, note = NULL, attempts = 0,
                 updated_at = $2
             WHERE state = 'dead' AND ($1::bigint IS NULL OR id = $1)",
            &[&id, &micros(at)],
        )
        .await?;
    audit::append(connection, record).await?;
    Ok(count(redriven))
}

const PURGE: &str = "UPDATE inbox
     SET state = 'done', note = 'purged: ' || note, updated_at = $2
     WHERE state = 'dead' AND updated_at < $1 RETURNING id";

async fn purge(
    connection: &Connection,
    before: Timestamp,
    record: &AuditRecord,
    notice: Option<&Notice>,
    at: Timestamp,
) -> Sql<u32> {
    let purged = connection
        .all(PURGE, &[&micros(before), &micros(at)], only::value::<i64>)
        .await?;
    for id in &purged {
        alerts::resolve(connection, &dead_event_key(*id), None, at).await?;
        let record = AuditRecord {
            subject: format!("event {id}"),
            ..record.clone()
        };
        audit::append(connection, &record).await?;
    }
    if let Some(notice) = notice.filter(|_| !purged.is_empty()) {
        alerts::notice(connection, notice, at).await?;
    }
    Ok(u32::try_from(purged.len()).unwrap_or(u32::MAX))
}

async fn list(connection: &Connection, limit: u32, is_dead: Option<bool>) -> Sql<Vec<InboxRow>> {
    let sql = match is_dead {
        None => select_events!("ORDER BY id DESC LIMIT $1"),
        Some(true) => select_events!("WHERE state = 'dead' ORDER BY id DESC LIMIT $1"),
        Some(false) => select_events!("WHERE state <> 'dead' ORDER BY id DESC LIMIT $1"),
    };
    connection.all(sql, &[&i64::from(limit)], row).await
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
        attempts: columns.number()?,
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

#[async_trait]
impl Inbox for PostgresLedger {
    async fn receive(&self, events: Vec<RawEvent>) -> Result<u32> {
        self.write("record events", events, |c, events| {
            Box::pin(receive(c, events))
        })
        .await
    }

    async fn due_events(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxRow>> {
        self.read(
            "list events to read",
            (micros(now), i64::from(limit)),
            |c, (now, limit)| Box::pin(async move { c.all(DUE, &[now, limit], row).await }),
        )
        .await
    }

    async fn next_event(&self) -> Result<Option<Timestamp>> {
        let next = self
            .read("look for the next event", (), |c, ()| {
                Box::pin(async move {
                    c.first(
                        "SELECT min(ready_at) FROM inbox WHERE state = 'waiting'",
                        &[],
                        only::time_if_any,
                    )
                    .await
                })
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
        let data = (id, state, error, alert, at);
        self.write(
            "record what became of an event",
            data,
            |c, (id, state, error, alert, at)| {
                Box::pin(read(c, *id, state, error.as_deref(), alert.as_ref(), *at))
            },
        )
        .await
    }

    async fn events(&self, limit: u32, is_dead: Option<bool>) -> Result<Vec<InboxRow>> {
        self.read("list events", (limit, is_dead), |c, (limit, is_dead)| {
            Box::pin(async move { list(c, *limit, *is_dead).await })
        })
        .await
    }

    async fn redrive_events(
        &self,
        id: Option<i64>,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<u32> {
        self.write("redrive events", (id, audit, at), |c, (id, audit, at)| {
            Box::pin(redrive(c, *id, audit, *at))
        })
        .await
    }

    async fn purge_events(
        &self,
        before: Timestamp,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<u32> {
        let data = (before, audit, notice, at);
        self.write(
            "purge dead events",
            data,
            |c, (before, audit, notice, at)| {
                Box::pin(purge(c, *before, audit, notice.as_ref(), *at))
            },
        )
        .await
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let data = (micros(before), i64::from(limit));
        self.write("forget events", data, |c, (before, limit)| {
            Box::pin(async move {
                let forgotten = c
                    .run(
                        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox
                             WHERE state = 'done' AND received_at < $1
                             LIMIT $2 FOR UPDATE SKIP LOCKED)",
                        &[before, limit],
                    )
                    .await?;
                Ok(count(forgotten))
            })
        })
        .await
    }
}
