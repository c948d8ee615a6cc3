//! One slot past its cutoff: met, or missed with an alert, recorded in one transaction.

use jiff::{SignedDuration, Timestamp};
use qm_core::Result;
use qm_core::alert::{Folder, NewAlert, missed, missed_key};
use qm_core::arrival::Arrival;
use qm_core::config::Config;
use qm_core::expectation::{Expectation, Slot, SlotState};
use qm_core::message_text::MessageKind;
use qm_core::ports::ledger::RecordedSlot;
use std::ops::RangeInclusive;

use super::{Subject, folder};
use crate::Ports;
use crate::ports::told;

/// Rows read at a time from a busy folder.
const PAGE: u32 = 500;
/// An evaluation so long after the cutoff happened because the node was down; its alert says so.
const LATE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Evaluates and records it; false if it had been recorded before.
pub(super) async fn evaluate(
    ports: &Ports,
    config: &Config,
    expectation: &Expectation,
    slot: Slot,
) -> Result<bool> {
    let met_by = first_counted(ports, config, expectation, slot.opens..=slot.cutoff).await?;
    let now = ports.clock.now();
    let alert = match &met_by {
        Some(_) => None,
        None => Some(alert(ports, config, expectation, &slot, now).await),
    };
    let state = if met_by.is_some() {
        SlotState::Met
    } else {
        SlotState::Missed
    };
    let recorded = RecordedSlot {
        expectation: expectation.name.clone(),
        slot,
        state,
        arrival: met_by.map(|arrival| arrival.seq),
        evaluated_at: now,
    };
    let is_new = ports.ledger.record_slot(recorded, alert).await?;
    if is_new {
        tracing::info!(
            expectation = %expectation.name,
            date = %slot.date,
            state = state.as_str(),
            "slot evaluated"
        );
    }
    Ok(is_new)
}

/// The first arrival of these times that the expectation waits for.
pub(super) async fn first_counted(
    ports: &Ports,
    config: &Config,
    expectation: &Expectation,
    times: RangeInclusive<Timestamp>,
) -> Result<Option<Arrival>> {
    let (from, until) = times.into_inner();
    let counts = |arrival: &Arrival| {
        let account = arrival.account.as_ref();
        let account = account.and_then(|name| config.accounts.get(name));
        expectation.counts(arrival, account.map(|account| &account.partner))
    };
    let bucket = expectation.files.bucket();
    let below = expectation.files.static_prefix();
    let mut after = None;
    loop {
        let page = ports
            .ledger
            .between(bucket, &below, from, until, after, PAGE)
            .await?;
        after = page.last().map(|arrival| arrival.seq);
        let is_last = page.len() < PAGE as usize;
        let counted = page.into_iter().find(&counts);
        if counted.is_some() || is_last {
            return Ok(counted);
        }
    }
}

async fn alert(
    ports: &Ports,
    config: &Config,
    expectation: &Expectation,
    slot: &Slot,
    now: Timestamp,
) -> NewAlert {
    let subject = Subject::of(expectation, config);
    let what = folder::look(ports, config, expectation.files.bucket(), &subject.prefix).await;
    let kind = match what {
        Folder::Empty => MessageKind::NoFiles,
        Folder::WithoutNew => MessageKind::NoNewFiles,
    };
    let usual = missed(what, &subject.folder, &subject.user, slot);
    let facts = subject.facts(expectation, slot);
    let mut text = kind.text(&config.texts, usual, &facts);
    if now.duration_since(slot.cutoff) > LATE_AFTER {
        use std::fmt::Write as _;
        let _ = write!(
            text.body,
            "\n\nThis was evaluated late: at {now} instead of {}.",
            slot.cutoff
        );
    }
    NewAlert {
        key: missed_key(&expectation.name, slot.date),
        text,
        notifiers: told(&expectation.alert, config),
        at: now,
    }
}
