//! Files that are found after their slot was missed: they came late, or they came in time and were
//! recorded as there only after the evaluation.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::alert::{missed_key, recovered};
use qm_core::config::Config;
use qm_core::expectation::Expectation;
use qm_core::id::ExpectationName;
use qm_core::message_text::MessageKind;
use qm_core::ports::ledger::RecordedSlot;
use std::collections::BTreeMap;

use super::Subject;
use super::slot::first_counted;
use crate::Ports;
use crate::pass::Faults;

/// Looked at once more, so that an arrival whose commit took long is not overlooked.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// How long a missed slot waits for a file: a month, so that also the next file of a monthly
/// sender still ends the alert. Somebody who has sent nothing since was told of it, and every
/// pass would look for all that they ever owed.
const WAITS_FOR: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Up to when the arrivals since each missed slot opened were looked at: a file that never comes
/// does not make every pass read all that came instead. Memory only.
#[derive(Default)]
pub(super) struct Scanned(Mutex<BTreeMap<(ExpectationName, Date), Timestamp>>);

impl Scanned {
    /// Everything is looked at anew.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// What became of the missed slots.
pub(super) struct Missed {
    /// A late file was found for one, or one is no longer waited for.
    pub(super) has_ended_some: bool,
    /// Some still wait for theirs.
    pub(super) has_open: bool,
}

/// Looks for late files of all missed slots.
pub(super) async fn look(
    ports: &Ports,
    config: &Config,
    scanned: &Scanned,
    faults: &mut Faults,
) -> Missed {
    let mut missed = Missed {
        has_ended_some: false,
        has_open: false,
    };
    let slots = faults.keep(ports.ledger.missed().await).unwrap_or_default();
    if slots.is_empty() {
        return missed;
    }
    let Some(settled) = faults.keep(settled_until(ports).await) else {
        missed.has_open = true;
        return missed;
    };
    for slot in slots {
        // One that the configuration dropped is about to be retired.
        let Some(expectation) = config.expectations.get(&slot.expectation) else {
            continue;
        };
        let looked = look_at(ports, config, scanned, expectation, &slot, settled).await;
        match faults.keep(looked) {
            Some(true) => missed.has_ended_some = true,
            Some(false) | None => missed.has_open = true,
        }
    }
    missed
}

/// No arrival from before this time can still become visible: one that is recorded is either
/// there or pending, and its bytes were whole before it was recorded.
async fn settled_until(ports: &Ports) -> Result<Timestamp> {
    let now = ports.clock.now();
    let pending = ports.ledger.pending().await?;
    let received = pending
        .iter()
        .filter_map(|o| Some(o.version.as_ref()?.received_at));
    let oldest = received.fold(now, Timestamp::min);
    Ok(oldest.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN))
}

async fn look_at(
    ports: &Ports,
    config: &Config,
    scanned: &Scanned,
    expectation: &Expectation,
    slot: &RecordedSlot,
    settled: Timestamp,
) -> Result<bool> {
    let now = ports.clock.now();
    let key = (slot.expectation.clone(), slot.slot.date);
    let opens = slot.slot.opens;
    let looked_until = scanned.0.lock().get(&key).copied();
    let from = looked_until.map_or(opens, |until| opens.max(until));
    let Some(arrival) = first_counted(ports, config, expectation, from..=now).await? else {
        if now.duration_since(slot.evaluated_at) <= WAITS_FOR {
            scanned.0.lock().insert(key, settled.max(from));
            return Ok(false);
        }
        give_up(ports, slot, now).await?;
        scanned.0.lock().remove(&key);
        return Ok(true);
    };
    let subject = Subject::of(expectation, config);
    let file = arrival.path.key.file_name();
    let usual = recovered(
        &subject.folder,
        &subject.user,
        slot.slot.date,
        file,
        arrival.at,
    );
    let mut facts = subject.facts(expectation, &slot.slot);
    facts.extend([("file", file.to_owned()), ("at", arrival.at.to_string())]);
    let text = MessageKind::LateFile.text(&config.texts, usual, &facts);
    let alert_key = missed_key(&slot.expectation, slot.slot.date);
    let ledger = &ports.ledger;
    ledger
        .late(slot, arrival.seq, &alert_key, text, now)
        .await?;
    scanned.0.lock().remove(&key);
    tracing::info!(
        expectation = %expectation.name,
        date = %slot.slot.date,
        arrival = arrival.seq.0,
        "slot met late"
    );
    Ok(true)
}

/// The slot stays missed; nobody is told, for nothing has got better.
async fn give_up(ports: &Ports, slot: &RecordedSlot, now: Timestamp) -> Result<()> {
    let alert_key = missed_key(&slot.expectation, slot.slot.date);
    ports.ledger.resolve(&alert_key, None, now).await?;
    tracing::info!(
        expectation = %slot.expectation,
        date = %slot.slot.date,
        "missed slot no longer waits for its file"
    );
    Ok(())
}
