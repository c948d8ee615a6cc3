//! Files that come after their slot was missed.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::alert::{missed_key, recovered};
use qm_core::config::Config;
use qm_core::expectation::Expectation;
use qm_core::id::ExpectationName;
use qm_core::ports::ledger::RecordedSlot;
use std::collections::BTreeMap;

use super::Subject;
use super::slot::first_counted;
use crate::Ports;
use crate::pass::Faults;

/// Looked at once more, so that an arrival whose commit took long is not overlooked.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// Up to when the arrivals after each missed slot were looked at: a file that never comes does
/// not make every pass read all that came instead. Memory only.
#[derive(Default)]
pub(super) struct Scanned(Mutex<BTreeMap<(ExpectationName, Date), Timestamp>>);

/// What became of the missed slots.
pub(super) struct Missed {
    /// A late file was found for one.
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
    for slot in slots {
        // One that the configuration dropped waits for it to come back.
        let Some(expectation) = config.expectations.get(&slot.expectation) else {
            continue;
        };
        match faults.keep(look_at(ports, config, scanned, expectation, &slot).await) {
            Some(true) => missed.has_ended_some = true,
            Some(false) | None => missed.has_open = true,
        }
    }
    missed
}

async fn look_at(
    ports: &Ports,
    config: &Config,
    scanned: &Scanned,
    expectation: &Expectation,
    slot: &RecordedSlot,
) -> Result<bool> {
    let now = ports.clock.now();
    let key = (slot.expectation.clone(), slot.slot.date);
    let after_cutoff = slot.slot.cutoff + SignedDuration::from_nanos(1);
    let from = scanned.0.lock().get(&key).map_or(after_cutoff, |until| {
        after_cutoff.max(until.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN))
    });
    let Some(arrival) = first_counted(ports, expectation, from, now).await? else {
        scanned.0.lock().insert(key, now);
        return Ok(false);
    };
    let subject = Subject::of(expectation, config);
    let text = recovered(
        &subject.folder,
        &subject.user,
        slot.slot.date,
        arrival.path.key.file_name(),
        arrival.at,
    );
    let alert_key = missed_key(expectation, &slot.slot);
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
