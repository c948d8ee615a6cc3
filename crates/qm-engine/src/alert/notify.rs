//! Messages whose time has come. Those of one notifier go one after the other, the notifiers
//! beside each other: a dead mail server delays nobody else's messages for longer than a pass.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use qm_core::alert::Notification;
use qm_core::config::{Config, Notifier};
use qm_core::delivery::verdict;
use qm_core::id::NotifierName;
use qm_core::message_text::MessageKind;
use qm_core::ports::connector::NotifierPort;
use qm_core::retry::{Next, RetryPolicy};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;

use crate::Ports;
use crate::driver::panicked;
use crate::pass::Faults;
use crate::retain::later;

/// As many as a slow notifier takes while they are held.
const BATCH: u32 = 100;
/// Above the notifier's own limits: only one that breaks its promise meets it.
const SEND_LIMIT: Duration = Duration::from_mins(2);
/// Messages that were taken out and not sent come up again after this time.
const HOLD: Duration = Duration::from_mins(10);
/// Nothing is begun later than this: what is not ours any more may be another node's.
const SEND_FOR: Duration = HOLD.saturating_sub(SEND_LIMIT.saturating_mul(2));
/// One message may have a fault of its own; a notifier that fails two in a row is down.
const FAILURES_IN_A_ROW: u32 = 2;

/// True if any message was handed over or given up.
pub(super) async fn send_due(ports: &Ports, config: &Config, faults: &mut Faults) -> bool {
    let now = ports.clock.now();
    let until = Instant::now() + SEND_FOR;
    let due = ports.ledger.due_notifications(now, HOLD, BATCH).await;
    let due = faults.keep(due);
    let mut by_notifier: BTreeMap<NotifierName, Vec<Notification>> = BTreeMap::new();
    for notification in due.unwrap_or_default() {
        let queue = by_notifier.entry(notification.notifier.clone());
        queue.or_default().push(notification);
    }
    let queues = by_notifier
        .values()
        .map(|queue| send_queue(ports, config, queue, until));
    let mut any = false;
    for result in join_all(queues).await {
        any |= faults.keep(result) == Some(true);
    }
    any
}

/// Ends when the notifier does not take messages now: the rest has its turn when the hold is over.
async fn send_queue(
    ports: &Ports,
    config: &Config,
    queue: &[Notification],
    until: Instant,
) -> Result<bool> {
    let mut failures = 0;
    let mut any = false;
    for notification in queue {
        if failures == FAILURES_IN_A_ROW || Instant::now() > until {
            break;
        }
        any = true;
        let is_over = send(ports, config, notification).await?;
        failures = if is_over { 0 } else { failures + 1 };
    }
    Ok(any)
}

/// False if it is to be tried again.
async fn send(ports: &Ports, config: &Config, notification: &Notification) -> Result<bool> {
    let sent = match notifier(ports, config, notification) {
        Ok((notifier, policy)) => hand_over(notifier.as_ref(), &worded(config, notification))
            .await
            .map_err(|error| (error, policy)),
        Err(gone) => Err((gone, RetryPolicy::pauses(Vec::new()))),
    };
    let now = ports.clock.now();
    let (id, attempt) = (notification.id, notification.attempts.saturating_add(1));
    let (key, to) = (&notification.alert_key, &notification.notifier);
    let Err((error, policy)) = sent else {
        recorded(ports.ledger.notified(id, None, None, now).await)?;
        tracing::info!(id, key, notifier = %to, attempt, "message sent");
        return Ok(true);
    };
    let chain = error.chain();
    let retry_at = match policy.after_failure(attempt, verdict(&error)) {
        Next::After(pause) => Some(later(now, pause)),
        Next::GiveUp => None,
    };
    let ledger = &ports.ledger;
    let notified = ledger.notified(id, Some(chain.clone()), retry_at, now);
    recorded(notified.await)?;
    match retry_at {
        Some(at) => {
            tracing::warn!(id, key, notifier = %to, attempt, %at, error = chain, "message not sent");
        }
        None => {
            tracing::error!(id, key, notifier = %to, attempt, error = chain, "message given up");
        }
    }
    Ok(retry_at.is_none())
}

/// What another node has recorded by now is no reason to leave the rest of the queue.
fn recorded(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == Kind::Conflict => {
            tracing::warn!(error = error.chain(), "message recorded by another node");
            Ok(())
        }
        result => result,
    }
}

fn notifier(
    ports: &Ports,
    config: &Config,
    notification: &Notification,
) -> Result<(std::sync::Arc<dyn NotifierPort>, RetryPolicy)> {
    let name = &notification.notifier;
    let policy = match config.notifiers.get(name) {
        Some(Notifier::Email(email)) => email.retry.clone(),
        None => {
            return Err(Error::new(
                Kind::Refused,
                format!("notifier `{name}` is not in the configuration any more"),
            ));
        }
    };
    let notifier = ports.outside.notifier(name).ok_or_else(|| {
        Error::new(
            Kind::Refused,
            format!("notifier `{name}` could not be set up"),
        )
    })?;
    Ok((notifier, policy))
}

/// With what the configuration puts around every message.
fn worded(config: &Config, notification: &Notification) -> Notification {
    let usual = notification.text.clone();
    let facts = [
        ("subject", usual.subject.clone()),
        ("body", usual.body.clone()),
    ];
    Notification {
        text: MessageKind::Every.text(&config.texts, usual, &facts),
        ..notification.clone()
    }
}

async fn hand_over(notifier: &dyn NotifierPort, notification: &Notification) -> Result<()> {
    let sending = AssertUnwindSafe(notifier.send(notification)).catch_unwind();
    match tokio::time::timeout(SEND_LIMIT, sending).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(panic)) => Err(panicked(panic.as_ref()).during("sending a message")),
        Err(_) => Err(Error::new(Kind::Timeout, "the notifier took too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_node_recorded_is_no_fault() {
        let said = |kind| recorded(Err(Error::new(kind, "no")));
        said(Kind::Conflict).unwrap();
        assert_eq!(said(Kind::NotFound).unwrap_err().kind(), Kind::NotFound);
    }
}
