//! Slots of expectations.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Text, missed_slot};
use qm_core::expectation::SlotState;
use qm_core::id::{ArrivalSeq, ExpectationName};
use qm_core::ports::ledger::{RecordedSlot, Slots};
use qm_core::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

use super::{LedgerState, MemoryLedger};

#[derive(Clone, Default)]
pub(super) struct State {
    evaluated_until: BTreeMap<ExpectationName, Timestamp>,
    slots: Vec<RecordedSlot>,
}

impl State {
    fn find(&mut self, slot: &RecordedSlot) -> Option<&mut RecordedSlot> {
        self.slots.iter_mut().find(|recorded| {
            recorded.expectation == slot.expectation && recorded.slot.date == slot.slot.date
        })
    }
}

fn record_slot(state: &mut LedgerState, slot: RecordedSlot, alert: Option<NewAlert>) -> bool {
    if state.slots.find(&slot).is_some() {
        return false;
    }
    let until = state
        .slots
        .evaluated_until
        .entry(slot.expectation.clone())
        .or_insert(slot.slot.cutoff);
    *until = slot.slot.cutoff.max(*until);
    state.slots.slots.push(slot);
    if let Some(alert) = alert {
        state.alerts.raise(alert);
    }
    true
}

fn late(
    state: &mut LedgerState,
    slot: &RecordedSlot,
    arrival: ArrivalSeq,
    alert_key: &str,
    text: &Text,
    at: Timestamp,
) -> Result<()> {
    let recorded = state
        .slots
        .find(slot)
        .ok_or_else(|| Error::new(Kind::NotFound, "no such slot"))?;
    match recorded.state {
        SlotState::Late => return Ok(()),
        SlotState::Met => return Err(Error::new(Kind::Conflict, "the slot was met in time")),
        SlotState::Missed => {
            recorded.state = SlotState::Late;
            recorded.arrival = Some(arrival);
        }
    }
    state.alerts.resolve(alert_key, Some(text), at);
    Ok(())
}

fn retire(state: &mut LedgerState, kept: &[ExpectationName], at: Timestamp) {
    let evaluated = &mut state.slots.evaluated_until;
    evaluated.retain(|name, _| kept.contains(name));
    let firing = state.alerts.firing_keys();
    let retired: Vec<String> = firing
        .filter(|key| missed_slot(key).is_some_and(|(name, _)| !kept.contains(&name)))
        .map(str::to_owned)
        .collect();
    for key in retired {
        state.alerts.resolve(&key, None, at);
    }
}

#[async_trait]
impl Slots for MemoryLedger {
    async fn evaluated_until(
        &self,
        expectation: &ExpectationName,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let known = self.read(|state| state.slots.evaluated_until.get(expectation).copied());
        if let Some(until) = known {
            return Ok(until);
        }
        self.write(|state| {
            let until = &mut state.slots.evaluated_until;
            Ok(*until.entry(expectation.clone()).or_insert(now))
        })
    }

    async fn record_slot(&self, slot: RecordedSlot, alert: Option<NewAlert>) -> Result<bool> {
        self.write_if(
            |state| Ok(record_slot(state, slot, alert)),
            |recorded| *recorded,
        )
    }

    async fn missed(&self) -> Result<Vec<RecordedSlot>> {
        Ok(self.read(|state| {
            let waited_for: BTreeSet<_> =
                state.alerts.firing_keys().filter_map(missed_slot).collect();
            let missed = state.slots.slots.iter().filter(|slot| {
                let key = (slot.expectation.clone(), slot.slot.date);
                slot.state == SlotState::Missed && waited_for.contains(&key)
            });
            let mut missed: Vec<RecordedSlot> = missed.cloned().collect();
            missed.sort_by_key(|slot| (slot.slot.cutoff, slot.expectation.clone()));
            missed
        }))
    }

    async fn late(
        &self,
        slot: &RecordedSlot,
        arrival: ArrivalSeq,
        alert_key: &str,
        text: Text,
        at: Timestamp,
    ) -> Result<()> {
        self.write(|state| late(state, slot, arrival, alert_key, &text, at))
    }

    async fn retire(&self, kept: &[ExpectationName], at: Timestamp) -> Result<()> {
        self.write(|state| {
            retire(state, kept, at);
            Ok(())
        })
    }

    async fn slots(&self, limit: u32) -> Result<Vec<RecordedSlot>> {
        Ok(self.read(|state| {
            let mut slots = state.slots.slots.clone();
            slots.reverse();
            slots.sort_by_key(|slot| std::cmp::Reverse(slot.slot.cutoff));
            slots.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            slots
        }))
    }
}
