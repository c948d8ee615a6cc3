//! Attempts of deliveries: how they begin and end, and who takes over those that nobody runs.

use jiff::Timestamp;
use qm_core::alert::NewAlert;
use qm_core::delivery::{Delivery, DeliveryState, FinishedWhy, Transition};
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::Attempt;
use qm_core::{Error, Kind, Result};

use super::deliveries::State;
use super::nodes::Run;
use super::{LedgerState, departures, loads, overtaking};

pub(super) fn begin(deliveries: &mut State, index: usize, run: &Run, now: Timestamp) -> Delivery {
    let row = &mut deliveries.rows[index];
    row.run = Some(run.clone());
    let delivery = &mut row.delivery;
    delivery.state = DeliveryState::Running {
        node: run.node.clone(),
    };
    delivery.attempts += 1;
    delivery.fence += 1;
    delivery.updated_at = now;
    let begun = delivery.clone();
    push(deliveries, begun.id, now, None);
    begun
}

/// Adds a line: an attempt that begins, or something that was done at once.
pub(super) fn push(deliveries: &mut State, id: DeliveryId, at: Timestamp, done: Option<&str>) {
    let attempts = deliveries.attempts.entry(id).or_default();
    attempts.push(Attempt {
        number: u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX),
        began_at: at,
        ended_at: done.map(|_| at),
        note: done.map(str::to_owned),
    });
}

/// True if the run still has what it was given.
pub(super) fn has_fence(
    state: &LedgerState,
    delivery: &Delivery,
    run: &Run,
    now: Timestamp,
) -> bool {
    let row = state.deliveries.find(delivery.id);
    state.nodes.is_alive(run, now)
        && row.is_some_and(|row| {
            row.delivery.fence == delivery.fence && row.run.as_ref() == Some(run)
        })
}

/// `Conflict` if the attempt is not this run's any more.
pub(super) fn check(
    state: &mut LedgerState,
    delivery: &Delivery,
    run: &Run,
    now: Timestamp,
) -> Result<()> {
    let has_fence = has_fence(state, delivery, run, now);
    let row = state.deliveries.find_mut(delivery.id)?;
    if has_fence && matches!(row.delivery.state, DeliveryState::Running { .. }) {
        return Ok(());
    }
    let error = Error::new(Kind::Conflict, "the delivery is not this worker's any more");
    Err(error.with("delivery", delivery.id))
}

pub(super) fn finish(
    state: &mut LedgerState,
    delivery: &Delivery,
    transition: Transition,
    alert: Option<NewAlert>,
    at: Timestamp,
) -> Result<()> {
    let last_error = match transition.state {
        DeliveryState::Running { .. } | DeliveryState::Cancelled | DeliveryState::Purged => {
            return Err(Error::new(Kind::Bug, "an attempt cannot end like this"));
        }
        DeliveryState::Delivered => None,
        DeliveryState::Waiting { .. } | DeliveryState::Dead | DeliveryState::Superseded => {
            Some(transition.note.clone())
        }
    };
    let is_failure = transition.is_failure();
    let row = state.deliveries.find_mut(delivery.id)?;
    row.delivery.state = transition.state;
    row.delivery.last_error = last_error;
    row.delivery.possible_duplicate |= transition.possible_duplicate;
    row.delivery.attempts -= u32::from(transition.is_uncounted);
    row.delivery.updated_at = at;
    row.finished = transition.is_rejected.then_some(FinishedWhy::Rejected);
    let (replaces, delivered) = (row.replaces, row.delivery.clone());
    let attempts = state.deliveries.attempts.get_mut(&delivery.id);
    if let Some(attempt) = attempts.and_then(|attempts| attempts.last_mut()) {
        attempt.ended_at = Some(at);
        attempt.note = Some(transition.note);
    }
    let is_delivered = delivered.state == DeliveryState::Delivered;
    if let (Some(copy), true) = (replaces, is_delivered) {
        let cause = delivered.id.to_string();
        departures::remove(state, copy, &cause, delivered.revision, at);
    }
    state.measured.ended(delivery.id, is_failure, at);
    if let Some(load) = &transition.load {
        loads::end(state, delivery, load, transition.took, at);
    }
    if let Some(alert) = alert {
        state.alerts.raise(alert);
    }
    if let Some(notice) = &transition.notice {
        state.alerts.notice(notice, at);
    }
    Ok(())
}

/// Gives a running one another target, under which it goes on or waits behind another.
pub(super) fn retarget(
    state: &mut LedgerState,
    delivery: &Delivery,
    target: &str,
    at: Timestamp,
) -> Result<bool> {
    const WAITS: &str = "waits for another delivery to the same name; this attempt does not count";
    let row = state.deliveries.find_mut(delivery.id)?;
    target.clone_into(&mut row.delivery.target);
    let moved = row.delivery.clone();
    let rows = &state.deliveries.rows;
    let index = rows.iter().position(|row| row.delivery.id == delivery.id);
    let is_behind = index.is_some_and(|index| state.deliveries.is_blocked(index));
    if is_behind {
        let row = state.deliveries.find_mut(delivery.id)?;
        row.delivery.state = DeliveryState::Waiting { ready_at: at };
        row.delivery.attempts -= 1;
        row.delivery.updated_at = at;
        let attempts = state.deliveries.attempts.get_mut(&delivery.id);
        if let Some(attempt) = attempts.and_then(|attempts| attempts.last_mut()) {
            attempt.ended_at = Some(at);
            attempt.note = Some(WAITS.to_owned());
        }
        state.measured.ended(delivery.id, false, at);
    }
    overtaking::overtake(state, &moved, at);
    Ok(!is_behind)
}

/// Running ones that nobody runs, as this run sees it.
pub(super) fn interrupted(
    state: &LedgerState,
    run: &Run,
    held: &[DeliveryId],
    now: Timestamp,
) -> Vec<DeliveryId> {
    let rows = state.deliveries.rows.iter();
    rows.filter(|row| match (&row.delivery.state, &row.run) {
        (DeliveryState::Running { .. }, Some(owner)) if owner == run => {
            !held.contains(&row.delivery.id)
        }
        (DeliveryState::Running { .. }, Some(owner)) => !state.nodes.is_alive(owner, now),
        (_, _) => false,
    })
    .map(|row| row.delivery.id)
    .collect()
}

/// Gives them a new fence and to this run.
pub(super) fn take_over(
    state: &mut LedgerState,
    interrupted: &[DeliveryId],
    run: &Run,
    at: Timestamp,
) -> Vec<Delivery> {
    let rows = state.deliveries.rows.iter_mut();
    rows.filter(|row| interrupted.contains(&row.delivery.id))
        .map(|row| {
            row.run = Some(run.clone());
            row.delivery.state = DeliveryState::Running {
                node: run.node.clone(),
            };
            row.delivery.fence += 1;
            row.delivery.updated_at = at;
            row.delivery.clone()
        })
        .collect()
}
