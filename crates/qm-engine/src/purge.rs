//! Dead letters that nobody redrove in time, of deliveries and of events from outside: purged, which
//! is recorded for each of them, logged, and told once.

use jiff::{SignedDuration, Timestamp};
use qm_core::Result;
use qm_core::alert::{Notice, Text};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::Config;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::ports::ledger::DeliveryFilter;
use std::fmt::Write as _;
use std::time::Duration;

use crate::Ports;
use crate::pace::Pace;
use crate::pass::Faults;

/// In one transaction: whoever else writes waits for it.
const AT_A_TIME: u32 = 100;
/// So many are named in the message; the others are listed by the command that it names.
const NAMED_MAX: usize = 20;
/// Days are what is counted here.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// True if any was purged: there may be more.
pub(crate) async fn look(ports: &Ports, config: &Config, pace: &Pace, faults: &mut Faults) -> bool {
    let now = ports.clock.now();
    let Some(kept) = config.node.dead_letters_kept else {
        return false;
    };
    let every = kept.clamp(Duration::from_secs(1), LOOK_EVERY);
    if pace.rests_until(now, every).is_some() {
        return false;
    }
    let span = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
    let Ok(before) = now.checked_sub(span) else {
        return false;
    };
    let deliveries = faults.keep(deliveries(ports, config, before, now).await);
    let events = faults.keep(events(ports, config, before, now).await);
    let any = deliveries == Some(true) || events == Some(true);
    if deliveries.is_some() && events.is_some() && !any {
        pace.looked(now, None);
    }
    any
}

async fn deliveries(
    ports: &Ports,
    config: &Config,
    before: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let old = DeliveryFilter {
        state: Some(DeliveryState::Dead.as_str()),
        unchanged_since: Some(before),
        limit: AT_A_TIME,
        ..DeliveryFilter::default()
    };
    let dead = ports.ledger.deliveries(old.clone()).await?;
    if dead.is_empty() {
        return Ok(false);
    }
    let notice = notice(config, "purged:deliveries", text(&dead));
    let purged = ports.ledger.purge(old, record(now), Some(notice), now);
    let purged = purged.await?;
    for id in &purged {
        tracing::warn!(%id, "dead letter purged");
    }
    Ok(!purged.is_empty())
}

async fn events(ports: &Ports, config: &Config, before: Timestamp, now: Timestamp) -> Result<bool> {
    let said = Text {
        subject: "Events that could not be read were purged".to_owned(),
        body: "What buckets were told of, could not be read and was not redriven in time is given up. \
               \n\nWhich: quaymaster inbox list, those that are done and begin with `purged`"
            .to_owned(),
    };
    let notice = notice(config, "purged:events", said);
    let purged = ports
        .ledger
        .purge_events(before, record(now), Some(notice), now);
    let purged = purged.await?;
    if purged > 0 {
        tracing::warn!(events = purged, "dead events purged");
    }
    Ok(purged > 0)
}

fn notice(config: &Config, key: &str, text: Text) -> Notice {
    Notice {
        key: key.to_owned(),
        text,
        notifiers: config.node.alert.clone(),
    }
}

fn record(now: Timestamp) -> AuditRecord {
    AuditRecord {
        at: now,
        actor: "retain".to_owned(),
        source: None,
        activity: Activity::Purge,
        subject: String::new(),
        decision: Decision::Allowed,
    }
}

fn text(dead: &[Delivery]) -> Text {
    let mut body = "They were dead letters for as long as the configuration keeps them \
                    (`dead_letters_kept`), and nobody redrove them. No redrive brings them back; the files are \
                    where they were, unless a retention has removed them.\n"
        .to_owned();
    for delivery in dead.iter().take(NAMED_MAX) {
        let Delivery {
            id,
            source,
            destination,
            ..
        } = delivery;
        let why = delivery.last_error.as_deref().unwrap_or("no reason");
        let _ = write!(body, "\n{id} {source} to {destination}: {why}");
    }
    if dead.len() > NAMED_MAX {
        let _ = write!(body, "\nand {} more", dead.len() - NAMED_MAX);
    }
    body.push_str("\n\nAll of them: quaymaster delivery list --state purged");
    Text {
        subject: match dead.len() {
            1 => "A dead letter was purged".to_owned(),
            count => format!("{count} dead letters were purged"),
        },
        body,
    }
}
