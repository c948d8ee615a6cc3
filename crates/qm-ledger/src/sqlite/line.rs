//! The line of waiting deliveries: who may be claimed next. At most one delivery of an ordering
//! key (destination and target) runs, and no newer one goes before an older that waits.
//!
//! One that is independent waits for those that run only, not for those that wait.
//!
//! A claim walks the ones that are `ready`, by arrival. Those it meets whose time has not come it
//! moves to `later`, those behind another of their key to `behind`, so that it meets none of them
//! twice: a claim's cost does not grow with the number of open deliveries. Whoever ends a
//! delivery calls [`move_up`] for its key.

use jiff::Timestamp;
use qm_core::id::{DestinationName, NodeName};
use qm_core::ports::ledger::Claim;
use rusqlite::Connection;

use super::attempts;
use super::fault::Sql;
use super::statements::{Statements as _, micros, only};

/// How many of the line are looked at a time.
const LOOK_AT: u32 = 64;

pub(super) const PROMOTE: &str = "UPDATE deliveries INDEXED BY deliveries_later
     SET queue = 'ready' WHERE state = 'waiting' AND queue = 'later' AND ready_at <= ?1";

pub(super) const LINE: &str = "SELECT number, target, arrival, ready_at, is_independent
     FROM deliveries INDEXED BY deliveries_line
     WHERE destination = ?1 AND state = 'waiting' AND queue = 'ready'
     ORDER BY arrival, number LIMIT ?2";

/// One runs, or an older one waits and this one cares.
pub(super) const IS_BEHIND: &str = "SELECT
     EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_running
         WHERE destination = ?1 AND target = ?2 AND state = 'running')
     OR (NOT ?5 AND EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_waiting
         WHERE destination = ?1 AND target = ?2 AND state = 'waiting'
             AND (arrival, number) < (?3, ?4)))";

/// The oldest one, and the oldest one that waits for nobody who waits.
pub(super) const MOVE_UP: &str = "UPDATE deliveries SET queue = 'ready'
     WHERE queue = 'behind' AND number IN (
         (SELECT number FROM deliveries INDEXED BY deliveries_waiting
             WHERE destination = ?1 AND target = ?2 AND state = 'waiting'
             ORDER BY arrival, number LIMIT 1),
         (SELECT number FROM deliveries INDEXED BY deliveries_independent
             WHERE destination = ?1 AND target = ?2 AND state = 'waiting'
                 AND queue = 'behind' AND is_independent = 1
             ORDER BY arrival, number LIMIT 1))";

/// `destinations`: those of waiting deliveries that are not behind another, one look into the
/// index each, however many deliveries they have.
macro_rules! destinations {
    () => {
        $crate::sqlite::line::destinations_after!("")
    };
}

/// Those for whose first one the condition holds.
macro_rules! destinations_after {
    ($first:literal) => {
        concat!(
            "WITH RECURSIVE destinations (name) AS (
             SELECT min(destination) FROM deliveries INDEXED BY deliveries_next
                 WHERE state = 'waiting' AND queue <> 'behind' ",
            $first,
            "
             UNION ALL
             SELECT (SELECT min(destination) FROM deliveries INDEXED BY deliveries_next
                 WHERE state = 'waiting' AND queue <> 'behind' AND destination > name)
             FROM destinations WHERE name IS NOT NULL) "
        )
    };
}

/// When the first delivery to the destination `name` is ready.
macro_rules! first_ready_at {
    () => {
        "(SELECT min(ready_at) FROM deliveries INDEXED BY deliveries_next
             WHERE state = 'waiting' AND queue <> 'behind' AND destination = name)"
    };
}

/// When the first of all is ready.
macro_rules! first_ready {
    () => {
        concat!(
            $crate::sqlite::line::destinations!(),
            "SELECT min(",
            $crate::sqlite::line::first_ready_at!(),
            ") FROM destinations"
        )
    };
}
pub(super) use {destinations, destinations_after, first_ready, first_ready_at};

pub(super) const WAITING_AT: &str = concat!(
    destinations_after!("AND destination > ?2"),
    "SELECT name FROM destinations WHERE ",
    first_ready_at!(),
    " <= ?1 LIMIT ?3"
);

pub(super) const NEXT_READY: &str = concat!(
    destinations!(),
    "SELECT min((SELECT d.ready_at FROM deliveries d INDEXED BY deliveries_next
         WHERE d.state = 'waiting' AND d.queue <> 'behind' AND d.destination = name
             AND NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_running
                 WHERE o.destination = d.destination AND o.target = d.target
                     AND o.state = 'running')
             AND (d.is_independent = 1
                 OR NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_waiting
                     WHERE o.destination = d.destination AND o.target = d.target
                         AND o.state = 'waiting'
                         AND (o.arrival, o.number) < (d.arrival, d.number)))
         ORDER BY d.ready_at LIMIT 1))
     FROM destinations"
);

/// Rare enough to look at all that wait.
pub(super) const HAS_AHEAD: &str = "SELECT EXISTS (SELECT 1 FROM deliveries
     WHERE state = 'waiting' AND updated_at > ?1)";

/// Changed in one transaction.
const AT_A_TIME: u32 = 256;

pub(super) const SET_BACK: &str = "UPDATE deliveries SET ready_at = ?1, updated_at = ?1,
         queue = CASE queue WHEN 'later' THEN 'ready' ELSE queue END
     WHERE number IN (SELECT number FROM deliveries
         WHERE state = 'waiting' AND updated_at > ?1 LIMIT ?2)";

/// What changed after `now` by a clock that was ahead is due at `now`.
pub(super) fn set_back(connection: &Connection, now: Timestamp) -> Sql<u32> {
    let changed = connection.run(SET_BACK, (micros(now), AT_A_TIME))?;
    Ok(u32::try_from(changed).unwrap_or(u32::MAX))
}

/// One that stands in line.
pub(super) struct Standing {
    pub(super) number: i64,
    target: String,
    arrival: i64,
    pub(super) ready_at: Timestamp,
    is_independent: bool,
}

/// Begins an attempt of those whose turn it is; their numbers, in order of arrival.
pub(super) fn claim(connection: &Connection, claim: &Claim, node: &NodeName) -> Sql<Vec<i64>> {
    let limit = usize::try_from(claim.limit).unwrap_or(usize::MAX);
    let mut claimed = Vec::new();
    if limit == 0 {
        return Ok(claimed);
    }
    connection.run(PROMOTE, [micros(claim.now)])?;
    loop {
        let line = look(connection, claim)?;
        if line.is_empty() {
            return Ok(claimed);
        }
        for standing in line {
            if standing.ready_at > claim.now {
                send(connection, &standing, "later")?;
            } else if is_behind(connection, claim, &standing)? {
                send(connection, &standing, "behind")?;
            } else {
                attempts::begin(connection, claim, &standing, node)?;
                claimed.push(standing.number);
            }
            if claimed.len() == limit {
                return Ok(claimed);
            }
        }
    }
}

/// Lets whoever is next of the key stand in line again.
pub(super) fn move_up(connection: &Connection, destination: &str, target: &str) -> Sql<()> {
    connection.run(MOVE_UP, (destination, target))?;
    Ok(())
}

/// When the next delivery can be claimed, if its key stays as it is.
pub(super) fn next_ready(connection: &Connection) -> Sql<Option<Timestamp>> {
    Ok(connection
        .first(NEXT_READY, [], only::time_if_any)?
        .flatten())
}

/// Where those go whose time has come.
pub(super) fn waiting_at(
    connection: &Connection,
    now: Timestamp,
    after: &str,
    limit: u32,
) -> Sql<Vec<DestinationName>> {
    connection.all(WAITING_AT, (micros(now), after, limit), |columns| {
        columns.parsed(DestinationName::recorded)
    })
}

fn look(connection: &Connection, claim: &Claim) -> Sql<Vec<Standing>> {
    connection.all(LINE, (claim.destination.as_str(), LOOK_AT), |columns| {
        Ok(Standing {
            number: columns.value()?,
            target: columns.value()?,
            arrival: columns.value()?,
            ready_at: columns.time()?,
            is_independent: columns.value()?,
        })
    })
}

fn is_behind(connection: &Connection, claim: &Claim, standing: &Standing) -> Sql<bool> {
    connection.holds(
        IS_BEHIND,
        (
            claim.destination.as_str(),
            &standing.target,
            standing.arrival,
            standing.number,
            standing.is_independent,
        ),
    )
}

fn send(connection: &Connection, standing: &Standing, queue: &'static str) -> Sql<()> {
    connection.run(
        "UPDATE deliveries SET queue = ?2 WHERE number = ?1",
        (standing.number, queue),
    )?;
    Ok(())
}
