//! The line of waiting deliveries: who may be claimed next. At most one delivery of an ordering
//! key (destination and target) runs, and no newer one goes before an older that waits.
//!
//! A claim walks the ones that are `ready`, by arrival. Those it meets whose time has not come it
//! moves to `later`, those behind another of their key to `behind`, so that it meets none of them
//! twice: a claim's cost does not grow with the number of open deliveries. Whoever ends a
//! delivery calls [`move_up`] for its key.

use jiff::Timestamp;
use qm_core::ports::ledger::Claim;
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Statements as _, micros, only};

/// How many of the line are looked at a time.
const LOOK_AT: u32 = 64;

pub(super) const PROMOTE: &str = "UPDATE deliveries INDEXED BY deliveries_later
     SET queue = 'ready' WHERE state = 'waiting' AND queue = 'later' AND state_until <= ?1";

pub(super) const LINE: &str = "SELECT number, target, arrival, state_until
     FROM deliveries INDEXED BY deliveries_line
     WHERE destination = ?1 AND state = 'waiting' AND queue = 'ready'
     ORDER BY arrival, number LIMIT ?2";

/// One runs, or an older one waits.
pub(super) const IS_BEHIND: &str = "SELECT
     EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_running
         WHERE destination = ?1 AND target = ?2 AND state = 'running')
     OR EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_waiting
         WHERE destination = ?1 AND target = ?2 AND state = 'waiting'
             AND (arrival, number) < (?3, ?4))";

pub(super) const MOVE_UP: &str = "UPDATE deliveries SET queue = 'ready'
     WHERE queue = 'behind' AND number = (
         SELECT number FROM deliveries INDEXED BY deliveries_waiting
         WHERE destination = ?1 AND target = ?2 AND state = 'waiting'
         ORDER BY arrival, number LIMIT 1)";

pub(super) const NEXT_READY: &str = "SELECT d.state_until
     FROM deliveries d INDEXED BY deliveries_next
     WHERE d.state = 'waiting' AND d.queue <> 'behind'
         AND NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_running
             WHERE o.destination = d.destination AND o.target = d.target
                 AND o.state = 'running')
         AND NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_waiting
             WHERE o.destination = d.destination AND o.target = d.target
                 AND o.state = 'waiting' AND (o.arrival, o.number) < (d.arrival, d.number))
     ORDER BY d.state_until LIMIT 1";

/// One that stands in line.
struct Standing {
    number: i64,
    target: String,
    arrival: i64,
    ready_at: Timestamp,
}

/// Begins an attempt of those whose turn it is; their numbers, in order of arrival.
pub(super) fn claim(connection: &Connection, claim: &Claim) -> Sql<Vec<i64>> {
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
                begin_attempt(connection, claim, standing.number)?;
                claimed.push(standing.number);
            }
            if claimed.len() == limit {
                return Ok(claimed);
            }
        }
    }
}

/// Lets the oldest waiting delivery of the key stand in line again.
pub(super) fn move_up(connection: &Connection, destination: &str, target: &str) -> Sql<()> {
    connection.run(MOVE_UP, (destination, target))?;
    Ok(())
}

/// When the next delivery can be claimed, if its key stays as it is.
pub(super) fn next_ready(connection: &Connection) -> Sql<Option<Timestamp>> {
    connection.first(NEXT_READY, [], only::time)
}

fn look(connection: &Connection, claim: &Claim) -> Sql<Vec<Standing>> {
    connection.all(LINE, (claim.destination.as_str(), LOOK_AT), |columns| {
        Ok(Standing {
            number: columns.value()?,
            target: columns.value()?,
            arrival: columns.value()?,
            ready_at: columns.time()?,
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

fn begin_attempt(connection: &Connection, claim: &Claim, number: i64) -> Sql<()> {
    connection.run(
        "UPDATE deliveries SET state = 'running', state_until = ?2, attempts = attempts + 1,
             fence = fence + 1, updated_at = ?3
         WHERE number = ?1",
        (number, micros(claim.lease_until), micros(claim.now)),
    )?;
    connection.run(
        "INSERT INTO attempts (delivery, number, began_at)
         SELECT number, fence, ?2 FROM deliveries WHERE number = ?1",
        (number, micros(claim.now)),
    )?;
    Ok(())
}
