//! Attempts of deliveries: how they begin and end, and who takes over those that nobody runs.

use jiff::Timestamp;
use qm_core::alarm::Metric;
use qm_core::alert::NewAlert;
use qm_core::delivery::{Delivery, Transition};
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::Attempt;
use qm_core::{Error, Kind};

use super::connection::Connection;
use super::deliveries::by_number;
use super::fault::Sql;
use super::finished::{REJECTED, finish_version, has_after};
use super::lease::lease_goes_on;
use super::overtaking::{self, Place};
use super::statements::{Params, micros, only, stored_text};
use super::{alerts, departures, line, loads};
use crate::words::{last_error, no_end};

#[expect(
    clippy::cast_possible_truncation,
    reason = "a second has fewer microseconds than the type holds"
)]
const HELD_BACK_AFTER_US: i64 = Metric::HELD_BACK_AFTER.as_micros() as i64;

/// One that was ready for long enough is held back if the last one that began there before it had
/// not ended by then. What is read is what was there before; of a destination it is read once.
pub(super) const BEGIN: &str = "WITH was AS MATERIALIZED (
         SELECT number, destination, ready_at FROM deliveries WHERE number = ANY ($1)),
     place AS MATERIALIZED (
         SELECT p.destination,
             (SELECT count(*) FROM deliveries r
                 WHERE r.destination = p.destination AND r.state = 'running') AS running,
             (SELECT coalesce(o.ended_at, $4) FROM attempts o
                 WHERE o.destination = p.destination AND o.began_at < $4
                 ORDER BY o.began_at DESC LIMIT 1) AS last_ended_at
         FROM (SELECT DISTINCT destination FROM was) p),
     begun AS (
         UPDATE deliveries SET state = 'running', ready_at = NULL, node = $2, epoch = $3,
             attempts = attempts + 1, fence = fence + 1, updated_at = $4
         WHERE number = ANY ($1) RETURNING number)
     INSERT INTO attempts (delivery, number, began_at, destination, at_once, is_held_back)
     SELECT b.number,
         coalesce((SELECT max(a.number) FROM attempts a WHERE a.delivery = b.number), 0) + 1,
         $4, w.destination,
         p.running + row_number() OVER (ORDER BY array_position($1, b.number)),
         w.ready_at <= $4 - $5 AND coalesce(p.last_ended_at > w.ready_at, false)
     FROM begun b JOIN was w ON w.number = b.number
         JOIN place p ON p.destination = w.destination";

/// Begins attempts of waiting ones whose lines are locked.
pub(super) async fn begin(connection: &Connection, numbers: &[i64], now: Timestamp) -> Sql<()> {
    let holder = connection.holder()?;
    connection
        .run(
            BEGIN,
            &[
                &numbers,
                &holder.node,
                &holder.epoch,
                &micros(now),
                &HELD_BACK_AFTER_US,
            ],
        )
        .await?;
    Ok(())
}

/// A last line that is no attempt.
pub(super) async fn note(
    connection: &Connection,
    number: i64,
    note: &str,
    at: Timestamp,
) -> Sql<()> {
    connection
        .run(
            "INSERT INTO attempts (delivery, number, began_at, ended_at, note)
             SELECT $1, coalesce(max(number), 0) + 1, $2, $2, $3 FROM attempts
             WHERE delivery = $1",
            &[&number, &micros(at), &note],
        )
        .await?;
    Ok(())
}

const FINISH: &str = concat!(
    "UPDATE deliveries SET state = $3, ready_at = $4, node = NULL, epoch = NULL, last_error = $5,
         possible_duplicate = possible_duplicate OR $6, finished = $7, updated_at = $8,
         attempts = attempts - CASE WHEN $11 THEN 1 ELSE 0 END
     WHERE id = $1 AND fence = $2 AND state = 'running' AND node = $9 AND epoch = $10 AND ",
    lease_goes_on!("$9", "$10"),
    " RETURNING number, version, CASE state WHEN 'delivered' THEN replaces END, ",
    has_after!()
);

const END: &str = "UPDATE attempts SET ended_at = $2, note = $3, is_failed = $4
     WHERE delivery = $1 AND number = (SELECT max(number) FROM attempts WHERE delivery = $1)";

pub(super) async fn finish(
    connection: &Connection,
    delivery: &Delivery,
    transition: &Transition,
    alert: Option<&NewAlert>,
    at: Timestamp,
) -> Sql<()> {
    let note = stored_text(&transition.note);
    if !transition.state.ends_attempt() {
        return Err(no_end(&transition.state).into());
    }
    let ready_at = transition.state.ready_at().map(micros);
    let last_error = last_error(transition, &note);
    let (destination, target) = (delivery.destination.as_str(), delivery.target.as_str());
    line::lock(connection, destination, target).await?;
    let holder = connection.holder()?;
    let ended = connection
        .first(
            FINISH,
            &[
                &delivery.id.to_string(),
                &delivery.fence,
                &transition.state.as_str(),
                &ready_at,
                &last_error,
                &transition.possible_duplicate,
                &transition.is_rejected.then_some(REJECTED),
                &micros(at),
                &holder.node,
                &holder.epoch,
                &transition.is_uncounted,
            ],
            |columns| {
                let (number, version): (i64, String) = (columns.value()?, columns.value()?);
                let replaces: Option<DeliveryId> = columns.parsed_if_any(str::parse)?;
                Ok((number, version, replaces, columns.value::<bool>()?))
            },
        )
        .await?;
    let Some((number, version, replaces, has_after)) = ended else {
        return Err(lost(connection, delivery).await?.into());
    };
    let is_failure = transition.is_failure();
    connection
        .run(END, &[&number, &micros(at), &note, &is_failure])
        .await?;
    line::settle(connection, destination, target, at).await?;
    if let Some(copy) = replaces {
        let cause = delivery.id.to_string();
        departures::remove(connection, copy, &cause, delivery.revision, at).await?;
    }
    // Lines are locked before versions.
    if has_after {
        finish_version(connection, &version).await?;
    }
    if let Some(load) = &transition.load {
        loads::end(connection, number, delivery, load, transition.took, at).await?;
    }
    if let Some(alert) = alert {
        alerts::raise(connection, alert).await?;
    }
    if let Some(notice) = &transition.notice {
        alerts::notice(connection, notice, at).await?;
    }
    Ok(())
}

/// What `attempt list` says of an attempt that found another at its name.
const WAITS: &str = "waits for another delivery to the same name; this attempt does not count";

const RUNS: &str = concat!(
    "SELECT number, is_independent FROM deliveries
     WHERE id = $1 AND fence = $2 AND state = 'running' AND node = $3 AND epoch = $4 AND ",
    lease_goes_on!("$3", "$4")
);

const IS_BEHIND: &str = "SELECT EXISTS (SELECT 1 FROM deliveries
     WHERE destination = $1 AND target = $2
         AND (state = 'running'
             OR state = 'waiting' AND NOT $5 AND (arrival, number) < ($3, $4)))";

/// Gives a running one another target, under which it goes on or waits behind another.
pub(super) async fn retarget(
    connection: &Connection,
    delivery: &Delivery,
    target: &str,
    at: Timestamp,
) -> Sql<bool> {
    let destination = delivery.destination.as_str();
    // In one order, so that two who do this never wait for each other.
    let mut targets = [delivery.target.as_str(), target];
    targets.sort_unstable();
    for one in targets {
        line::lock(connection, destination, one).await?;
    }
    let holder = connection.holder()?;
    let found = connection
        .first(
            RUNS,
            &[
                &delivery.id.to_string(),
                &delivery.fence,
                &holder.node,
                &holder.epoch,
            ],
            |columns| Ok((columns.value::<i64>()?, columns.value::<bool>()?)),
        )
        .await?;
    let Some((number, is_independent)) = found else {
        return Err(lost(connection, delivery).await?.into());
    };
    let key: Params<'_> = &[
        &destination,
        &target,
        &delivery.arrival.0,
        &number,
        &is_independent,
    ];
    let is_behind = connection.holds(IS_BEHIND, key).await?;
    let place = Place {
        destination,
        target,
        arrival: delivery.arrival,
        source: &delivery.source,
    };
    let is_overtaken = overtaking::is_overtaken(connection, &place).await?;
    if is_behind {
        connection
            .run(
                "UPDATE deliveries SET target = $2, is_overtaken = $3, state = 'waiting',
                     ready_at = $4, node = NULL, epoch = NULL, attempts = attempts - 1,
                     updated_at = $4
                 WHERE number = $1",
                &[&number, &target, &is_overtaken, &micros(at)],
            )
            .await?;
        connection
            .run(END, &[&number, &micros(at), &WAITS, &false])
            .await?;
    } else {
        connection
            .run(
                "UPDATE deliveries SET target = $2, is_overtaken = $3 WHERE number = $1",
                &[&number, &target, &is_overtaken],
            )
            .await?;
    }
    overtaking::overtake(connection, &place, at).await?;
    for one in targets {
        line::settle(connection, destination, one, at).await?;
    }
    Ok(!is_behind)
}

pub(super) async fn lost(connection: &Connection, delivery: &Delivery) -> Sql<Error> {
    let is_there = connection
        .holds(
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = $1)",
            &[&delivery.id.to_string()],
        )
        .await?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the delivery is not this worker's any more")
    } else {
        Error::new(Kind::NotFound, "no such delivery")
    };
    Ok(error.with("delivery", delivery.id))
}

/// Running ones of runs that are over, and those of this run that it does not hold.
macro_rules! interrupted {
    () => {
        concat!(
            "FROM deliveries d WHERE d.state = 'running' AND (
                 (d.node = $1 AND d.epoch = $2 AND d.id <> ALL ($3)) OR NOT ",
            lease_goes_on!("d.node", "d.epoch"),
            ")"
        )
    };
}

const HAS_INTERRUPTED: &str = concat!("SELECT EXISTS (SELECT 1 ", interrupted!(), ")");

/// Two that look at once share them.
const TAKE_OVER: &str = concat!(
    "UPDATE deliveries SET fence = fence + 1, node = $1, epoch = $2, updated_at = $4
     WHERE number IN (SELECT d.number ",
    interrupted!(),
    " FOR UPDATE OF d SKIP LOCKED) AND ",
    lease_goes_on!("$1", "$2"),
    " RETURNING number"
);

pub(super) async fn has_interrupted(
    connection: &Connection,
    node: &str,
    epoch: i64,
    held: &[String],
) -> Sql<bool> {
    connection
        .holds(HAS_INTERRUPTED, &[&node, &epoch, &held])
        .await
}

/// They are this run's, under a new fence.
pub(super) async fn take_over(
    connection: &Connection,
    held: &[String],
    now: Timestamp,
) -> Sql<Vec<Delivery>> {
    let holder = connection.holder()?;
    let mut numbers = connection
        .all(
            TAKE_OVER,
            &[&holder.node, &holder.epoch, &held, &micros(now)],
            only::value::<i64>,
        )
        .await?;
    numbers.sort_unstable();
    by_number(connection, &numbers).await
}

pub(super) async fn list(connection: &Connection, id: DeliveryId) -> Sql<Vec<Attempt>> {
    connection
        .all(
            "SELECT a.number, a.began_at, a.ended_at, a.note
             FROM deliveries d JOIN attempts a ON a.delivery = d.number
             WHERE d.id = $1 ORDER BY a.number",
            &[&id.to_string()],
            |columns| {
                Ok(Attempt {
                    number: columns.number()?,
                    began_at: columns.time()?,
                    ended_at: columns.time_if_any()?,
                    note: columns.value()?,
                })
            },
        )
        .await
}
