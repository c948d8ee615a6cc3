//! Alerts and the messages about them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{Alert, AlertState, NewAlert, Notice, Notification, NotificationState, Text};
use qm_core::id::NotifierName;
use qm_core::ports::ledger::Alerts;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::time::Duration;

use super::SqliteLedger;
use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, only};

macro_rules! select_notifications {
    ($rest:literal) => {
        concat!(
            "SELECT n.id, coalesce(a.key, n.key), n.notifier, n.subject, n.body, n.state, n.attempts, n.ready_at,
             n.last_error FROM notifications n LEFT JOIN alerts a ON a.id = n.alert ",
            $rest
        )
    };
}

pub(super) const IS_DUE: &str = "SELECT EXISTS (
     SELECT 1 FROM notifications INDEXED BY notifications_waiting
     WHERE state = 'waiting' AND ready_at <= ?1)";

pub(super) const DUE: &str = "SELECT id FROM notifications INDEXED BY notifications_waiting
     WHERE state = 'waiting' AND ready_at <= ?1 ORDER BY id LIMIT ?2";

pub(super) const NEXT: &str = "SELECT min(ready_at) FROM notifications WHERE state = 'waiting'";

/// False if one with this key is firing already.
pub(super) fn raise(connection: &Connection, alert: &NewAlert) -> Sql<bool> {
    let added = connection.run(
        "INSERT INTO alerts (key, state, subject, body, raised_at)
         VALUES (?1, 'firing', ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        (
            &alert.key,
            &alert.text.subject,
            &alert.text.body,
            micros(alert.at),
        ),
    )?;
    if added == 0 {
        return Ok(false);
    }
    let id = connection.last_insert_rowid();
    let mut told = BTreeSet::new();
    for notifier in &alert.notifiers {
        if told.insert(notifier) {
            let about = (Some(id), None);
            tell(connection, about, notifier.as_str(), &alert.text, alert.at)?;
        }
    }
    Ok(true)
}

/// Messages that belong to no alert.
pub(super) fn notice(connection: &Connection, notice: &Notice, at: Timestamp) -> Sql<()> {
    let told: BTreeSet<_> = notice.notifiers.iter().collect();
    for notifier in told {
        let about = (None, Some(notice.key.as_str()));
        tell(connection, about, notifier.as_str(), &notice.text, at)?;
    }
    Ok(())
}

/// False if none with this key is firing.
pub(super) fn resolve(
    connection: &Connection,
    key: &str,
    text: Option<&Text>,
    at: Timestamp,
) -> Sql<bool> {
    let resolved: Option<i64> = connection.first(
        "UPDATE alerts SET state = 'resolved', resolved_at = ?2
         WHERE key = ?1 AND state = 'firing' RETURNING id",
        (key, micros(at)),
        only::value,
    )?;
    let Some(id) = resolved else {
        return Ok(false);
    };
    if let Some(text) = text {
        let told: Vec<String> = connection.all(
            "SELECT notifier FROM notifications WHERE alert = ?1 ORDER BY id",
            [id],
            only::value,
        )?;
        for notifier in told {
            tell(connection, (Some(id), None), &notifier, text, at)?;
        }
    }
    Ok(true)
}

pub(super) const FIRING: &str = "SELECT key FROM alerts
     WHERE state = 'firing' AND key >= ?1 AND key < ?1 || char(1114111) ORDER BY key";

/// The keys of alerts that are firing, of those that begin so.
pub(super) fn firing(connection: &Connection, begins: &str) -> Sql<Vec<String>> {
    connection.all(FIRING, [begins], only::value)
}

/// The key of a dead letter's alert, from a delivery's id: as in `qm_core::alert`.
pub(super) fn dead_letter_key(delivery: &str) -> String {
    format!("delivery:{delivery}")
}

/// About an alert, or what has only a key.
fn tell(
    connection: &Connection,
    (alert, key): (Option<i64>, Option<&str>),
    notifier: &str,
    text: &Text,
    at: Timestamp,
) -> Sql<()> {
    connection.run(
        "INSERT INTO notifications (alert, key, notifier, subject, body, state, attempts, ready_at,
             updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', 0, ?6, ?6)",
        (alert, key, notifier, &text.subject, &text.body, micros(at)),
    )?;
    Ok(())
}

/// Holds those whose time has come: they come up again at `until`.
fn hold(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Sql<Vec<Notification>> {
    let due: Vec<i64> = connection.all(DUE, (micros(now), limit), only::value)?;
    let mut held = Vec::with_capacity(due.len());
    for id in due {
        connection.run(
            "UPDATE notifications SET ready_at = ?2 WHERE id = ?1",
            (id, micros(until)),
        )?;
        let one = select_notifications!("WHERE n.id = ?1");
        held.extend(connection.first(one, [id], notification)?);
    }
    Ok(held)
}

fn notified(
    connection: &Connection,
    id: i64,
    error: Option<&str>,
    retry_at: Option<Timestamp>,
    at: Timestamp,
) -> Sql<()> {
    let state = match (error, retry_at) {
        (None, None) => NotificationState::Sent,
        (Some(_), None) => NotificationState::Dead,
        (Some(_), Some(_)) => NotificationState::Waiting,
        (None, Some(_)) => {
            let error = Error::new(Kind::Bug, "a message that was sent is not tried again");
            return Err(error.into());
        }
    };
    let changed = connection.run(
        "UPDATE notifications SET state = ?2, attempts = attempts + 1, last_error = ?3,
             ready_at = coalesce(?4, ready_at), updated_at = ?5
         WHERE id = ?1 AND state = 'waiting'",
        (id, state.as_str(), error, retry_at.map(micros), micros(at)),
    )?;
    if changed == 0 {
        return Err(not_waiting(connection, id)?.into());
    }
    Ok(())
}

fn not_waiting(connection: &Connection, id: i64) -> Sql<Error> {
    let is_there = connection.holds(
        "SELECT EXISTS (SELECT 1 FROM notifications WHERE id = ?1)",
        [id],
    )?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the message is not waiting")
    } else {
        Error::new(Kind::NotFound, "no such message")
    };
    Ok(error.with("message", id))
}

fn resend(connection: &Connection, at: Timestamp) -> Sql<u32> {
    let count = connection.run(
        "UPDATE notifications SET state = 'waiting', attempts = 0, ready_at = ?1, updated_at = ?1
         WHERE state = 'dead'",
        [micros(at)],
    )?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

fn alert(columns: &mut Columns<'_>) -> Sql<Alert> {
    Ok(Alert {
        id: columns.value()?,
        key: columns.value()?,
        state: columns.parsed(alert_state)?,
        text: text(columns)?,
        raised_at: columns.time()?,
        resolved_at: columns.time_if_any()?,
    })
}

fn alert_state(word: &str) -> Option<AlertState> {
    [AlertState::Firing, AlertState::Resolved]
        .into_iter()
        .find(|state| state.as_str() == word)
}

fn notification(columns: &mut Columns<'_>) -> Sql<Notification> {
    Ok(Notification {
        id: columns.value()?,
        alert_key: columns.value()?,
        notifier: columns.parsed(NotifierName::parse)?,
        text: text(columns)?,
        state: columns.parsed(NotificationState::parse)?,
        attempts: columns.value()?,
        ready_at: columns.time()?,
        last_error: columns.value()?,
    })
}

fn text(columns: &mut Columns<'_>) -> Sql<Text> {
    Ok(Text {
        subject: columns.value()?,
        body: columns.value()?,
    })
}

#[async_trait]
impl Alerts for SqliteLedger {
    async fn raise(&self, alert: NewAlert) -> Result<bool> {
        self.write("raise an alert", move |c| raise(c, &alert))
            .await
    }

    async fn resolve(&self, key: &str, text: Option<Text>, at: Timestamp) -> Result<bool> {
        let key = key.to_owned();
        self.write("resolve an alert", move |c| {
            resolve(c, &key, text.as_ref(), at)
        })
        .await
    }

    async fn firing(&self, begins: &str) -> Result<Vec<String>> {
        let begins = begins.to_owned();
        self.read("list firing alerts", move |c| firing(c, &begins))
            .await
    }

    async fn due_notifications(
        &self,
        now: Timestamp,
        hold_for: Duration,
        limit: u32,
    ) -> Result<Vec<Notification>> {
        let look = self.read("look for messages to send", move |c| {
            c.holds(IS_DUE, [micros(now)])
        });
        if !look.await? {
            return Ok(Vec::new());
        }
        let until = now.saturating_add(hold_for).unwrap_or(Timestamp::MAX);
        self.write_quietly("hold messages to send", move |c| hold(c, now, until, limit))
            .await
    }

    async fn next_notification(&self) -> Result<Option<Timestamp>> {
        let next = self
            .read("look for the next message", |c| {
                c.first(NEXT, [], only::time_if_any)
            })
            .await?;
        Ok(next.flatten())
    }

    async fn notified(
        &self,
        id: i64,
        error: Option<String>,
        retry_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<()> {
        self.write("record an attempt to send", move |c| {
            notified(c, id, error.as_deref(), retry_at, at)
        })
        .await
    }

    async fn resend(&self, at: Timestamp) -> Result<u32> {
        self.write("send dead messages again", move |c| resend(c, at))
            .await
    }

    async fn alerts(&self, limit: u32) -> Result<Vec<Alert>> {
        self.read("list alerts", move |c| {
            c.all(
                "SELECT id, key, state, subject, body, raised_at, resolved_at
                 FROM alerts ORDER BY id DESC LIMIT ?1",
                [limit],
                alert,
            )
        })
        .await
    }

    async fn notifications(&self, limit: u32) -> Result<Vec<Notification>> {
        self.read("list messages", move |c| {
            c.all(
                select_notifications!("ORDER BY n.id DESC LIMIT ?1"),
                [limit],
                notification,
            )
        })
        .await
    }
}
