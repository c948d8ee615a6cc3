//! Messages whose time has come. Those of one notifier go one after the other, the notifiers
//! beside each other: a dead mail server delays nobody else's messages for longer than a pass.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use qm_core::alert::Notification;
use qm_core::config::{Config, Notifier};
use qm_core::delivery::verdict;
use qm_core::id::NotifierName;
use qm_core::ports::connector::NotifierPort;
use qm_core::retry::{Next, RetryPolicy};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::Ports;
use crate::driver::panicked;
use crate::pass::Faults;
use crate::retain::later;

/// Enough that the backlog of a notifier that is down does not hide the messages of another, few
/// enough to hold in memory.
const BATCH: u32 = 1_000;
/// Above the notifier's own limits: only one that breaks its promise meets it.
const SEND_LIMIT: Duration = Duration::from_mins(2);

/// True if any message was handed over or given up.
pub(super) async fn send_due(ports: &Ports, config: &Config, faults: &mut Faults) -> bool {
    let now = ports.clock.now();
    let due = faults.keep(ports.ledger.due_notifications(now, BATCH).await);
    let mut by_notifier: BTreeMap<NotifierName, Vec<Notification>> = BTreeMap::new();
    for notification in due.unwrap_or_default() {
        let queue = by_notifier.entry(notification.notifier.clone());
        queue.or_default().push(notification);
    }
    let queues = by_notifier
        .values()
        .map(|queue| send_queue(ports, config, queue));
    let mut any = false;
    for result in join_all(queues).await {
        any |= faults.keep(result) == Some(true);
    }
    any
}

/// Ends at the first message that may be tried again: what the notifier cannot take now it
/// cannot take a moment later either, and the others' turn comes in the next passes.
async fn send_queue(ports: &Ports, config: &Config, queue: &[Notification]) -> Result<bool> {
    let mut any = false;
    for notification in queue {
        any = true;
        if !send(ports, config, notification).await? {
            break;
        }
    }
    Ok(any)
}

/// False if it is to be tried again.
async fn send(ports: &Ports, config: &Config, notification: &Notification) -> Result<bool> {
    let sent = match notifier(ports, config, notification) {
        Ok((notifier, policy)) => hand_over(notifier.as_ref(), notification)
            .await
            .map_err(|error| (error, policy)),
        Err(gone) => Err((gone, RetryPolicy::pauses(Vec::new()))),
    };
    let now = ports.clock.now();
    let (id, attempt) = (notification.id, notification.attempts.saturating_add(1));
    let (key, to) = (&notification.alert_key, &notification.notifier);
    let Err((error, policy)) = sent else {
        ports.ledger.notified(id, None, None, now).await?;
        tracing::info!(id, key, notifier = %to, attempt, "message sent");
        return Ok(true);
    };
    let chain = error.chain();
    let retry_at = match policy.after_failure(attempt, verdict(&error)) {
        Next::After(pause) => Some(later(now, pause)),
        Next::GiveUp => None,
    };
    let ledger = &ports.ledger;
    ledger
        .notified(id, Some(chain.clone()), retry_at, now)
        .await?;
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

async fn hand_over(notifier: &dyn NotifierPort, notification: &Notification) -> Result<()> {
    let sending = AssertUnwindSafe(notifier.send(notification)).catch_unwind();
    match tokio::time::timeout(SEND_LIMIT, sending).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(panic)) => Err(panicked(panic.as_ref()).during("sending a message")),
        Err(_) => Err(Error::new(Kind::Timeout, "the notifier took too long")),
    }
}
