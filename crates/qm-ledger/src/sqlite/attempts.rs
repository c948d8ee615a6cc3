//! Attempts of deliveries: how they begin and end, and who takes over those that nobody runs.

use jiff::Timestamp;
use qm_core::alarm::Metric;
use qm_core::alert::NewAlert;
use qm_core::delivery::{Delivery, Transition};
use qm_core::id::{DeliveryId, NodeName};
use qm_core::ports::ledger::{Attempt, Claim};
use qm_core::{Error, Kind};
use rusqlite::Connection;

use super::deliveries::by_number;
use super::fault::Sql;
use super::finished::{REJECTED, finish_version, has_after};
use super::line::Standing;
use super::overtaking::{self, Place};
use super::statements::{Statements as _, micros, only};
use super::{alerts, departures, line, loads};
use crate::words::{last_error, no_end};

/// The number of the next attempt of delivery `?1`.
macro_rules! next_number {
    () => {
        "(SELECT coalesce(max(number), 0) + 1 FROM attempts WHERE delivery = ?1)"
    };
}

/// True if it was ready for long enough and the last one that began there before it had not ended
/// by then.
pub(super) const IS_HELD_BACK: &str = "SELECT coalesce(
     (SELECT coalesce(ended_at, ?3) FROM attempts INDEXED BY attempts_begun
         WHERE destination = ?1 AND began_at < ?3 ORDER BY began_at DESC LIMIT 1) > ?2, 0)";

pub(super) const BEGIN: &str = concat!(
    "INSERT INTO attempts (delivery, number, began_at, destination, at_once, is_held_back)
     VALUES (?1, ",
    next_number!(),
    ", ?2, ?3, (SELECT count(*) FROM deliveries INDEXED BY deliveries_running
         WHERE state = 'running' AND destination = ?3), ?4)"
);

/// Begins an attempt of the one that stands in line, on this node.
pub(super) fn begin(
    connection: &Connection,
    claim: &Claim,
    standing: &Standing,
    node: &NodeName,
) -> Sql<()> {
    let (number, now) = (standing.number, claim.now);
    let destination = claim.destination.as_str();
    let waited = now.duration_since(standing.ready_at);
    let is_held_back = waited.unsigned_abs() >= Metric::HELD_BACK_AFTER
        && connection.holds(
            IS_HELD_BACK,
            (destination, micros(standing.ready_at), micros(now)),
        )?;
    connection.run(
        "UPDATE deliveries SET state = 'running', node = ?2, ready_at = NULL,
             attempts = attempts + 1, fence = fence + 1, updated_at = ?3
         WHERE number = ?1",
        (number, node.as_str(), micros(now)),
    )?;
    connection.run(BEGIN, (number, micros(now), destination, is_held_back))?;
    Ok(())
}

/// A last line that is no attempt.
pub(super) fn note(connection: &Connection, number: i64, note: &str, at: Timestamp) -> Sql<()> {
    connection.run(
        concat!(
            "INSERT INTO attempts (delivery, number, began_at, ended_at, note) VALUES (?1, ",
            next_number!(),
            ", ?2, ?2, ?3)"
        ),
        (number, micros(at), note),
    )?;
    Ok(())
}

/// Most columns of a row change anyway, so the question for the rest of its version comes along
/// with the answer: a file without an after-delivery action costs no statement more.
pub(super) const FINISH: &str = concat!(
    "UPDATE deliveries SET state = ?3, ready_at = ?4, node = NULL, queue = 'later',
         last_error = ?5, possible_duplicate = possible_duplicate OR ?6, finished = ?7,
         updated_at = ?8, attempts = attempts - ?9
     WHERE id = ?1 AND fence = ?2 AND state = 'running'
     RETURNING number, version, CASE state WHEN 'delivered' THEN replaces END, ",
    has_after!()
);

pub(super) const END: &str = "UPDATE attempts SET ended_at = ?2, note = ?3, is_failed = ?4
     WHERE delivery = ?1
         AND number = (SELECT max(number) FROM attempts WHERE delivery = ?1)";

pub(super) fn finish(
    connection: &Connection,
    delivery: &Delivery,
    transition: &Transition,
    alert: Option<&NewAlert>,
    at: Timestamp,
) -> Sql<()> {
    if !transition.state.ends_attempt() {
        return Err(no_end(&transition.state).into());
    }
    let ready_at = transition.state.ready_at().map(micros);
    let last_error = last_error(transition, &transition.note);
    let finished = transition.is_rejected.then_some(REJECTED);
    let ended = connection.first(
        FINISH,
        (
            delivery.id.to_string(),
            delivery.fence,
            transition.state.as_str(),
            ready_at,
            last_error,
            transition.possible_duplicate,
            finished,
            micros(at),
            transition.is_uncounted,
        ),
        |columns| {
            let (number, version): (i64, String) = (columns.value()?, columns.value()?);
            let replaces: Option<DeliveryId> = columns.parsed_if_any(str::parse)?;
            Ok((number, version, replaces, columns.value::<bool>()?))
        },
    )?;
    let Some((number, version, replaces, has_after)) = ended else {
        return Err(lost(connection, delivery)?.into());
    };
    let ended = (
        number,
        micros(at),
        &transition.note,
        transition.is_failure(),
    );
    connection.run(END, ended)?;
    line::move_up(connection, delivery.destination.as_str(), &delivery.target)?;
    if has_after {
        finish_version(connection, &version)?;
    }
    if let Some(copy) = replaces {
        let cause = delivery.id.to_string();
        departures::remove(connection, copy, &cause, delivery.revision, at)?;
    }
    if let Some(load) = &transition.load {
        loads::end(connection, number, delivery, load, transition.took, at)?;
    }
    if let Some(alert) = alert {
        alerts::raise(connection, alert)?;
    }
    if let Some(notice) = &transition.notice {
        alerts::notice(connection, notice, at)?;
    }
    Ok(())
}

/// What `attempt list` says of an attempt that found another at its name.
const WAITS: &str = "waits for another delivery to the same name; this attempt does not count";

/// Gives a running one another target, under which it goes on or waits behind another.
pub(super) fn retarget(
    connection: &Connection,
    delivery: &Delivery,
    target: &str,
    at: Timestamp,
) -> Sql<bool> {
    let destination = delivery.destination.as_str();
    let found: Option<(i64, bool)> = connection.first(
        "SELECT number, is_independent FROM deliveries
         WHERE id = ?1 AND fence = ?2 AND state = 'running'",
        (delivery.id.to_string(), delivery.fence),
        |columns| Ok((columns.value()?, columns.value()?)),
    )?;
    let Some((number, is_independent)) = found else {
        return Err(lost(connection, delivery)?.into());
    };
    let is_behind = connection.holds(
        line::IS_BEHIND,
        (
            destination,
            target,
            delivery.arrival.0,
            number,
            is_independent,
        ),
    )?;
    let place = Place {
        destination,
        target,
        arrival: delivery.arrival,
        source: &delivery.source,
    };
    let is_overtaken = overtaking::is_overtaken(connection, &place)?;
    let (target_at, now) = ((number, target, is_overtaken), micros(at));
    if is_behind {
        let (number, target, is_overtaken) = target_at;
        connection.run(
            "UPDATE deliveries SET target = ?2, overtaken = ?3, state = 'waiting', node = NULL,
                 ready_at = ?4, queue = 'behind', attempts = attempts - 1, updated_at = ?4
             WHERE number = ?1",
            (number, target, is_overtaken, now),
        )?;
        connection.run(END, (number, now, WAITS, false))?;
    } else {
        connection.run(
            "UPDATE deliveries SET target = ?2, overtaken = ?3 WHERE number = ?1",
            target_at,
        )?;
    }
    overtaking::overtake(connection, &place, at)?;
    line::move_up(connection, destination, &delivery.target)?;
    Ok(!is_behind)
}

pub(super) fn lost(connection: &Connection, delivery: &Delivery) -> Sql<Error> {
    let is_there = connection.holds(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?1)",
        [delivery.id.to_string()],
    )?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the delivery is not this worker's any more")
    } else {
        Error::new(Kind::NotFound, "no such delivery")
    };
    Ok(error.with("delivery", delivery.id))
}

/// Running ones that are not in the list.
macro_rules! not_held {
    ($list:literal) => {
        concat!(
            "FROM deliveries INDEXED BY deliveries_running
             WHERE state = 'running' AND id NOT IN (SELECT value FROM json_each(",
            $list,
            "))"
        )
    };
}

pub(super) const HAS_INTERRUPTED: &str = concat!("SELECT EXISTS (SELECT 1 ", not_held!("?1"), ")");

pub(super) const TAKE_OVER: &str = concat!(
    "UPDATE deliveries SET fence = fence + 1, node = ?2, updated_at = ?3
     WHERE number IN (SELECT number ",
    not_held!("?1"),
    ") RETURNING number"
);

/// The list of ids as the statements take it.
pub(super) fn listed(held: &[DeliveryId]) -> Sql<String> {
    let held: Vec<String> = held.iter().map(DeliveryId::to_string).collect();
    let listed = serde_json::to_string(&held)
        .map_err(|e| Error::new(Kind::Bug, "the server made a mistake").source(e))?;
    Ok(listed)
}

/// Gives all that run and are not held a new fence. There is one node, so nobody else runs them.
pub(super) fn take_over(
    connection: &Connection,
    held: &str,
    node: &NodeName,
    now: Timestamp,
) -> Sql<Vec<Delivery>> {
    let taken = (held, node.as_str(), micros(now));
    let mut numbers: Vec<i64> = connection.all(TAKE_OVER, taken, only::value)?;
    numbers.sort_unstable();
    by_number(connection, &numbers)
}

pub(super) fn list(connection: &Connection, id: DeliveryId) -> Sql<Vec<Attempt>> {
    connection.all(
        "SELECT a.number, a.began_at, a.ended_at, a.note
         FROM deliveries d JOIN attempts a ON a.delivery = d.number
         WHERE d.id = ?1 ORDER BY a.number",
        [id.to_string()],
        |columns| {
            Ok(Attempt {
                number: columns.value()?,
                began_at: columns.time()?,
                ended_at: columns.time_if_any()?,
                note: columns.value()?,
            })
        },
    )
}
