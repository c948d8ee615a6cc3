//! Lines of deliveries: who may be claimed next. At most one delivery of an ordering key
//! (destination and target) runs, and no newer one goes before an older that waits; one that is
//! independent waits for those that run only.
//!
//! A key with deliveries that wait or run has a row in `lines`, which knows whose turn is next. The
//! row's lock is the key's: whoever lets one wait, run or end takes it first ([`lock`]) and says
//! afterwards what the line looks like ([`settle`]). So nodes that claim at once skip each other's
//! keys, and the cost of a claim does not grow with the number of open deliveries.

use jiff::Timestamp;
use qm_core::id::DestinationName;
use qm_core::ports::ledger::Claim;

use super::attempts;
use super::connection::Connection;
use super::fault::{Sql, lease_is_over};
use super::lease::lease_goes_on;
use super::statements::{count, micros, only};

const LOCK: &str = "INSERT INTO lines (destination, target, is_running, is_later)
     VALUES ($1, $2, false, false)
     ON CONFLICT (destination, target) DO UPDATE SET is_later = lines.is_later";

/// The oldest that waits, or an independent one that is ready earlier. A line without any that
/// waits or runs is forgotten.
const SETTLE: &str = "WITH next AS (
         SELECT * FROM (
             (SELECT ready_at, arrival, number FROM deliveries
                 WHERE destination = $1 AND target = $2 AND state = 'waiting'
                 ORDER BY arrival, number LIMIT 1)
             UNION ALL
             (SELECT ready_at, arrival, number FROM deliveries
                 WHERE destination = $1 AND target = $2 AND state = 'waiting' AND is_independent
                 ORDER BY ready_at, arrival, number LIMIT 1)) both_kinds
         ORDER BY ready_at, arrival, number LIMIT 1),
     running AS (
         SELECT 1 FROM deliveries
         WHERE destination = $1 AND target = $2 AND state = 'running'),
     forgotten AS (
         DELETE FROM lines WHERE destination = $1 AND target = $2
             AND NOT EXISTS (SELECT 1 FROM next) AND NOT EXISTS (SELECT 1 FROM running))
     UPDATE lines SET is_running = EXISTS (SELECT 1 FROM running),
         is_later = coalesce((SELECT ready_at > $3 FROM next), false),
         ready_at = (SELECT ready_at FROM next),
         arrival = (SELECT arrival FROM next),
         number = (SELECT number FROM next)
     WHERE destination = $1 AND target = $2
         AND (EXISTS (SELECT 1 FROM next) OR EXISTS (SELECT 1 FROM running))";

const PROMOTE: &str = "UPDATE lines SET is_later = false
     WHERE (destination, target) IN (SELECT destination, target FROM lines
         WHERE NOT is_running AND is_later AND ready_at <= $1 FOR UPDATE SKIP LOCKED)";

/// Locks those whose turn it is; what others have locked is being claimed or changed.
const TAKE: &str = "SELECT target FROM lines
     WHERE destination = $1 AND NOT is_running AND NOT is_later AND ready_at IS NOT NULL
         AND ready_at <= $2
     ORDER BY arrival, number LIMIT $3 FOR UPDATE SKIP LOCKED";

/// A statement of its own, so that it sees what whoever had the locks before has written.
const NEXT_OF: &str = "SELECT d.number FROM unnest($2::text[]) AS line (target)
     CROSS JOIN LATERAL (SELECT c.number, c.arrival FROM deliveries c
         WHERE c.destination = $1 AND c.target = line.target AND c.state = 'waiting'
             AND c.ready_at <= $3
             AND (c.is_independent OR NOT EXISTS (SELECT 1 FROM deliveries o
                 WHERE o.destination = $1 AND o.target = line.target AND o.state = 'waiting'
                     AND (o.arrival, o.number) < (c.arrival, c.number)))
         ORDER BY c.arrival, c.number LIMIT 1) d
     ORDER BY d.arrival, d.number";

/// One look into the index for each destination, however many deliveries it has.
const WAITING_AT: &str = "WITH RECURSIVE destinations (name) AS (
         (SELECT destination FROM lines
             WHERE NOT is_running AND destination > $2 ORDER BY destination LIMIT 1)
         UNION ALL
         SELECT (SELECT destination FROM lines
             WHERE NOT is_running AND destination > name ORDER BY destination LIMIT 1)
         FROM destinations WHERE name IS NOT NULL)
     SELECT name FROM destinations
     WHERE name IS NOT NULL AND EXISTS (SELECT 1 FROM lines
         WHERE NOT is_running AND destination = name AND ready_at <= $1)
     LIMIT $3";

pub(super) const NEXT_READY: &str =
    "SELECT min(ready_at) FROM lines WHERE NOT is_running AND ready_at IS NOT NULL";

/// Holds the key's line, made if it is not there, to the end of the transaction.
pub(super) async fn lock(connection: &Connection, destination: &str, target: &str) -> Sql<()> {
    connection.run(LOCK, &[&destination, &target]).await?;
    Ok(())
}

/// What the locked line looks like after a change.
pub(super) async fn settle(
    connection: &Connection,
    destination: &str,
    target: &str,
    now: Timestamp,
) -> Sql<()> {
    connection
        .run(SETTLE, &[&destination, &target, &micros(now)])
        .await?;
    Ok(())
}

/// Lines changed in one transaction.
const AT_A_TIME: i64 = 256;

/// Lines of what changed after `now`, by a clock that was ahead. Rare enough to look at all that wait.
pub(super) async fn ahead(connection: &Connection, now: Timestamp) -> Sql<Vec<(String, String)>> {
    const AHEAD: &str = "SELECT DISTINCT destination, target FROM deliveries
         WHERE state = 'waiting' AND updated_at > $1 ORDER BY destination, target LIMIT $2";
    connection
        .all(AHEAD, &[&micros(now), &AT_A_TIME], |columns| {
            Ok((columns.value()?, columns.value()?))
        })
        .await
}

/// What waits in these lines and changed after `now` is due at `now`.
pub(super) async fn set_back(
    connection: &Connection,
    lines: &[(String, String)],
    now: Timestamp,
) -> Sql<u32> {
    const SET_BACK: &str = "UPDATE deliveries SET ready_at = $3, updated_at = $3
         WHERE destination = $1 AND target = $2 AND state = 'waiting' AND updated_at > $3";
    let mut changed = 0;
    // In the order of lines, so that two who do this never wait for each other.
    for (destination, target) in lines {
        lock(connection, destination, target).await?;
        let line = connection
            .run(SET_BACK, &[destination, target, &micros(now)])
            .await?;
        settle(connection, destination, target, now).await?;
        changed += line;
    }
    Ok(count(changed))
}

/// Begins an attempt of those whose turn it is; their numbers, in order of arrival.
pub(super) async fn claim(connection: &Connection, claim: &Claim) -> Sql<Vec<i64>> {
    const MAY: &str = concat!("SELECT ", lease_goes_on!("$1", "$2"));
    let holder = connection.holder()?;
    if !connection
        .holds(MAY, &[&holder.node, &holder.epoch])
        .await?
    {
        return Err(lease_is_over().into());
    }
    let (destination, now) = (claim.destination.as_str(), micros(claim.now));
    connection.run(PROMOTE, &[&now]).await?;
    let targets = connection
        .all(
            TAKE,
            &[&destination, &now, &i64::from(claim.limit)],
            only::value::<String>,
        )
        .await?;
    let numbers = connection
        .all(NEXT_OF, &[&destination, &targets, &now], only::value::<i64>)
        .await?;
    attempts::begin(connection, &numbers, claim.now).await?;
    connection
        .run(
            "UPDATE lines SET is_running = true WHERE destination = $1 AND target = ANY ($2)
                 AND EXISTS (SELECT 1 FROM deliveries d WHERE d.destination = $1
                     AND d.target = lines.target AND d.state = 'running')",
            &[&destination, &targets],
        )
        .await?;
    Ok(numbers)
}

pub(super) async fn waiting_at(
    connection: &Connection,
    now: Timestamp,
    after: &str,
    limit: u32,
) -> Sql<Vec<DestinationName>> {
    let given = (micros(now), i64::from(limit));
    connection
        .all(WAITING_AT, &[&given.0, &after, &given.1], |columns| {
            columns.parsed(DestinationName::recorded)
        })
        .await
}
