//! Alerts and the messages about them.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use qm_core::alert::{Alert, AlertState, NewAlert, Notice, Notification, NotificationState, Text};
use qm_core::id::NotifierName;
use qm_core::ports::ledger::Alerts;
use qm_core::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::time::Duration;

use super::PostgresLedger;
use super::connection::Connection;
use super::fault::Sql;
use super::statements::{Columns, count, micros, only, stored_text};

macro_rules! select_notifications {
    ($rest:literal) => {
        concat!(
            "SELECT n.id, coalesce(a.key, n.key), n.notifier, n.subject, n.body, n.state, n.attempts, n.ready_at,
             n.last_error FROM notifications n LEFT JOIN alerts a ON a.id = n.alert ",
            $rest
        )
    };
}

/// False if one with this key is firing already.
pub(super) async fn raise(connection: &Connection, alert: &NewAlert) -> Sql<bool> {
    let added = connection
        .first(
            "INSERT INTO alerts (key, state, subject, body, raised_at)
             VALUES ($1, 'firing', $2, $3, $4)
             ON CONFLICT (key) WHERE state = 'firing' DO NOTHING RETURNING id",
            &[
                &stored_text(&alert.key),
                &stored_text(&alert.text.subject),
                &stored_text(&alert.text.body),
                &micros(alert.at),
            ],
            only::value::<i64>,
        )
        .await?;
    let Some(id) = added else {
        return Ok(false);
    };
    let mut told = BTreeSet::new();
    for notifier in &alert.notifiers {
        if told.insert(notifier) {
            let about = (Some(id), None);
            tell(connection, about, notifier.as_str(), &alert.text, alert.at).await?;
        }
    }
    Ok(true)
}

/// Messages that belong to no alert.
pub(super) async fn notice(connection: &Connection, notice: &Notice, at: Timestamp) -> Sql<()> {
    let told: BTreeSet<_> = notice.notifiers.iter().collect();
    for notifier in told {
        let about = (None, Some(notice.key.as_str()));
        tell(connection, about, notifier.as_str(), &notice.text, at).await?;
    }
    Ok(())
}

/// False if none with this key is firing.
pub(super) async fn resolve(
    connection: &Connection,
    key: &str,
    text: Option<&Text>,
    at: Timestamp,
) -> Sql<bool> {
    let resolved = connection
        .first(
            "UPDATE alerts SET state = 'resolved', resolved_at = $2
             WHERE key = $1 AND state = 'firing' RETURNING id",
            &[&stored_text(key), &micros(at)],
            only::value::<i64>,
        )
        .await?;
    let Some(id) = resolved else {
        return Ok(false);
    };
    if let Some(text) = text {
        let told = connection
            .all(
                "SELECT notifier FROM notifications WHERE alert = $1 ORDER BY id",
                &[&id],
                only::value::<String>,
            )
            .await?;
        for notifier in told {
            tell(connection, (Some(id), None), &notifier, text, at).await?;
        }
    }
    Ok(true)
}

/// The keys of alerts that are firing, of those that begin so.
pub(super) async fn firing(connection: &Connection, begins: &str) -> Sql<Vec<String>> {
    connection
        .all(
            "SELECT key FROM alerts
             WHERE state = 'firing' AND key >= $1 AND starts_with(key, $1) ORDER BY key",
            &[&begins],
            only::value,
        )
        .await
}

/// The key of a dead letter's alert, from a delivery's id: as in `qm_core::alert`.
pub(super) fn dead_letter_key(delivery: &str) -> String {
    format!("delivery:{delivery}")
}

/// About an alert, or what has only a key.
async fn tell(
    connection: &Connection,
    (alert, key): (Option<i64>, Option<&str>),
    notifier: &str,
    text: &Text,
    at: Timestamp,
) -> Sql<()> {
    connection
        .run(
            "INSERT INTO notifications (alert, key, notifier, subject, body, state, attempts,
                 ready_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6)",
            &[
                &alert,
                &key.map(stored_text),
                &notifier,
                &stored_text(&text.subject),
                &stored_text(&text.body),
                &micros(at),
            ],
        )
        .await?;
    Ok(())
}

/// Messages whose time has come by the node's clock and that nobody holds by the database's.
macro_rules! due {
    () => {
        "state = 'waiting' AND ready_at <= $1
         AND (held_until IS NULL OR held_until <= clock_timestamp())"
    };
}

const IS_DUE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM notifications WHERE ",
    due!(),
    ")"
);

const HOLD: &str = concat!(
    "UPDATE notifications SET ready_at = $2,
         held_until = clock_timestamp() + $3::float8 * interval '1 second'
     WHERE id IN (SELECT id FROM notifications WHERE ",
    due!(),
    " ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING id"
);

/// Whoever is given a message has it alone until its hold ends, whatever clocks other nodes have. When
/// to look for it again is the node's own matter.
async fn due(
    connection: &Connection,
    now: Timestamp,
    hold: Duration,
    limit: i64,
) -> Sql<Vec<Notification>> {
    let again = SignedDuration::try_from(hold).unwrap_or(SignedDuration::MAX);
    let again = now.saturating_add(again).unwrap_or(Timestamp::MAX);
    let taken = connection
        .all(
            HOLD,
            &[&micros(now), &micros(again), &hold.as_secs_f64(), &limit],
            only::value::<i64>,
        )
        .await?;
    connection
        .all(
            select_notifications!("WHERE n.id = ANY ($1) ORDER BY n.id"),
            &[&taken],
            notification,
        )
        .await
}

async fn notified(
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
    let changed = connection
        .run(
            "UPDATE notifications SET state = $2, attempts = attempts + 1, last_error = $3,
                 ready_at = coalesce($4, ready_at), held_until = NULL, updated_at = $5
             WHERE id = $1 AND state = 'waiting'",
            &[
                &id,
                &state.as_str(),
                &error.map(stored_text),
                &retry_at.map(micros),
                &micros(at),
            ],
        )
        .await?;
    if changed == 0 {
        return Err(not_waiting(connection, id).await?.into());
    }
    Ok(())
}

async fn not_waiting(connection: &Connection, id: i64) -> Sql<Error> {
    let is_there = connection
        .holds(
            "SELECT EXISTS (SELECT 1 FROM notifications WHERE id = $1)",
            &[&id],
        )
        .await?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the message is not waiting")
    } else {
        Error::new(Kind::NotFound, "no such message")
    };
    Ok(error.with("message", id))
}

async fn resend(connection: &Connection, at: Timestamp) -> Sql<u32> {
    let resent = connection
        .run(
            "UPDATE notifications SET state = 'waiting', attempts = 0, ready_at = $1,
                 updated_at = $1
             WHERE state = 'dead'",
            &[&micros(at)],
        )
        .await?;
    Ok(count(resent))
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
        attempts: columns.number()?,
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
impl Alerts for PostgresLedger {
    async fn raise(&self, alert: NewAlert) -> Result<bool> {
        self.write("raise an alert", alert, |c, alert| {
            Box::pin(raise(c, alert))
        })
        .await
    }

    async fn resolve(&self, key: &str, text: Option<Text>, at: Timestamp) -> Result<bool> {
        let data = (key.to_owned(), text, at);
        self.write("resolve an alert", data, |c, (key, text, at)| {
            Box::pin(resolve(c, key, text.as_ref(), *at))
        })
        .await
    }

    async fn firing(&self, begins: &str) -> Result<Vec<String>> {
        self.read("list firing alerts", begins, |c, begins| {
            Box::pin(async move { firing(c, begins).await })
        })
        .await
    }

    async fn due_notifications(
        &self,
        now: Timestamp,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<Notification>> {
        // Most looks find nothing and need no transaction.
        let asked = self.read("look for messages to send", micros(now), |c, now| {
            Box::pin(async move { c.holds(IS_DUE, &[now]).await })
        });
        if !asked.await? {
            return Ok(Vec::new());
        }
        let data = (now, hold, i64::from(limit));
        self.write("take messages to send", data, |c, (now, hold, limit)| {
            Box::pin(due(c, *now, *hold, *limit))
        })
        .await
    }

    async fn next_notification(&self) -> Result<Option<Timestamp>> {
        let next = self
            .read("look for the next message", (), |c, ()| {
                Box::pin(async move {
                    c.first(
                        "SELECT min(ready_at) FROM notifications WHERE state = 'waiting'",
                        &[],
                        only::time_if_any,
                    )
                    .await
                })
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
        let data = (id, error, retry_at, at);
        self.write(
            "record an attempt to send",
            data,
            |c, (id, error, retry_at, at)| {
                Box::pin(notified(c, *id, error.as_deref(), *retry_at, *at))
            },
        )
        .await
    }

    async fn resend(&self, at: Timestamp) -> Result<u32> {
        self.write("send dead messages again", at, |c, at| {
            Box::pin(resend(c, *at))
        })
        .await
    }

    async fn alerts(&self, limit: u32) -> Result<Vec<Alert>> {
        self.read("list alerts", i64::from(limit), |c, limit| {
            Box::pin(async move {
                c.all(
                    "SELECT id, key, state, subject, body, raised_at, resolved_at
                 FROM alerts ORDER BY id DESC LIMIT $1",
                    &[limit],
                    alert,
                )
                .await
            })
        })
        .await
    }

    async fn notifications(&self, limit: u32) -> Result<Vec<Notification>> {
        self.read("list messages", i64::from(limit), |c, limit| {
            Box::pin(async move {
                c.all(
                    select_notifications!("ORDER BY n.id DESC LIMIT $1"),
                    &[limit],
                    notification,
                )
                .await
            })
        })
        .await
    }
}
