//! Lines of deliveries: who may be claimed next. At most one delivery of an ordering key
//! (destination and target) runs, and no newer one goes before an older that waits; one that is
//! independent waits for those that run only.
//!
//! A key with deliveries that wait or run has a row in `lines`, which knows whose turn is next. The
//! row's lock is the key's: whoever lets one wait, run or end takes it first ([`lock`]) and says
//! afterwards what the line looks like ([`settle`]). So nodes that claim at once skip each other's
//! keys, and the cost of a claim does not grow with the number of open deliveries.

use jiff::Timestamp;
use qm_core::delivery::Delivery;
use qm_core::id::DestinationName;
use qm_core::ports::ledger::Claim;
use std::collections::BTreeSet;
use tokio::try_join;

use super::connection::Connection;
use super::fault::{Sql, lease_is_over};
use super::lease::lease_goes_on;
use super::statements::{Params, count, micros, only};
use super::{attempts, deliveries};

const LOCK: &str = "INSERT INTO lines (destination, target, is_running, is_later)
     SELECT key.destination, key.target, false, false
     FROM unnest($1::text[], $2::text[]) AS key (destination, target)
     ON CONFLICT (destination, target) DO UPDATE SET is_later = lines.is_later";

/// The oldest that waits, or an independent one that is ready earlier. A line without any that
/// waits or runs is forgotten. Both arrays are asked for beside the keys, so that the index is used
/// whatever the planner believes of the table's size.
const SETTLE: &str = "WITH line AS MATERIALIZED (
         SELECT key.destination, key.target, next.ready_at, next.arrival, next.number,
             EXISTS (SELECT 1 FROM deliveries r
                 WHERE r.destination = key.destination AND r.target = key.target
                     AND r.state = 'running') AS is_running
         FROM unnest($1::text[], $2::text[]) AS key (destination, target)
         LEFT JOIN LATERAL (SELECT * FROM (
             (SELECT w.ready_at, w.arrival, w.number FROM deliveries w
                 WHERE w.destination = key.destination AND w.target = key.target
                     AND w.state = 'waiting'
                 ORDER BY w.arrival, w.number LIMIT 1)
             UNION ALL
             (SELECT w.ready_at, w.arrival, w.number FROM deliveries w
                 WHERE w.destination = key.destination AND w.target = key.target
                     AND w.state = 'waiting' AND w.is_independent
                 ORDER BY w.ready_at, w.arrival, w.number LIMIT 1)) both_kinds
             ORDER BY ready_at, arrival, number LIMIT 1) next ON true),
     forgotten AS (
         DELETE FROM lines USING line
         WHERE lines.destination = ANY ($1) AND lines.target = ANY ($2)
             AND lines.destination = line.destination AND lines.target = line.target
             AND line.number IS NULL AND NOT line.is_running)
     UPDATE lines SET is_running = line.is_running,
         is_later = coalesce(line.ready_at > $3, false),
         ready_at = line.ready_at, arrival = line.arrival, number = line.number
     FROM line
     WHERE lines.destination = ANY ($1) AND lines.target = ANY ($2)
         AND lines.destination = line.destination AND lines.target = line.target
         AND (line.number IS NOT NULL OR line.is_running)";

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

/// Keys, each once and in one order: two who lock several never wait for each other.
pub(super) struct Keys<'a> {
    destinations: Vec<&'a str>,
    targets: Vec<&'a str>,
}

impl<'a> FromIterator<(&'a str, &'a str)> for Keys<'a> {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(keys: T) -> Self {
        let keys: BTreeSet<(&str, &str)> = keys.into_iter().collect();
        let (destinations, targets) = keys.into_iter().unzip();
        Self {
            destinations,
            targets,
        }
    }
}

/// Holds the key's line, made if it is not there, to the end of the transaction.
pub(super) async fn lock(connection: &Connection, destination: &str, target: &str) -> Sql<()> {
    lock_all(connection, &Keys::from_iter([(destination, target)])).await
}

/// Holds the lines of all of them.
pub(super) async fn lock_all(connection: &Connection, keys: &Keys<'_>) -> Sql<()> {
    if keys.targets.is_empty() {
        return Ok(());
    }
    connection
        .run(LOCK, &[&keys.destinations, &keys.targets])
        .await?;
    Ok(())
}

/// What the locked line looks like after a change.
pub(super) async fn settle(
    connection: &Connection,
    destination: &str,
    target: &str,
    now: Timestamp,
) -> Sql<()> {
    let keys = Keys::from_iter([(destination, target)]);
    settle_all(connection, &keys, now).await
}

/// What all of them look like.
pub(super) async fn settle_all(
    connection: &Connection,
    keys: &Keys<'_>,
    now: Timestamp,
) -> Sql<()> {
    connection
        .run(SETTLE, &[&keys.destinations, &keys.targets, &micros(now)])
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

/// And to the end of the transaction nothing is sorted that an index has in order: the planner, which
/// knows nothing yet of a line that grows, would read all of it to take the first.
const MAY: &str = concat!(
    "SELECT set_config('enable_sort', 'off', true) = 'off' AND ",
    lease_goes_on!("$1", "$2")
);

const RUN: &str = "UPDATE lines SET is_running = true WHERE destination = $1 AND target = ANY ($2)
     AND EXISTS (SELECT 1 FROM deliveries d WHERE d.destination = $1
         AND d.target = lines.target AND d.state = 'running')";

/// Begins an attempt of those whose turn it is, in order of arrival. What needs no answer of what goes
/// before it is sent together with that; the server does one after the other.
pub(super) async fn claim(connection: &Connection, claim: &Claim) -> Sql<Vec<Delivery>> {
    let statements = [
        MAY,
        PROMOTE,
        TAKE,
        attempts::BEGIN,
        RUN,
        deliveries::BY_NUMBER,
    ];
    connection.prepare(&statements).await?;
    let holder = connection.holder()?;
    let (destination, now) = (claim.destination.as_str(), micros(claim.now));
    let limit = i64::from(claim.limit);
    let who: Params<'_> = &[&holder.node, &holder.epoch];
    let until: Params<'_> = &[&now];
    let which: Params<'_> = &[&destination, &now, &limit];
    let (may, _, targets) = try_join!(
        connection.holds(MAY, who),
        connection.run(PROMOTE, until),
        connection.all(TAKE, which, only::value::<String>),
    )?;
    if !may {
        return Err(lease_is_over().into());
    }
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = connection
        .all(NEXT_OF, &[&destination, &targets, &now], only::value::<i64>)
        .await?;
    let lines: Params<'_> = &[&destination, &targets];
    let ((), _, claimed) = try_join!(
        attempts::begin(connection, &numbers, claim.now),
        connection.run(RUN, lines),
        deliveries::by_number(connection, &numbers),
    )?;
    Ok(claimed)
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
