//! Newer arrivals of the same source that go to the same target as older deliveries.

use jiff::Timestamp;
use qm_core::delivery::{Delivery, Effect};
use qm_core::id::{ArrivalSeq, RouteName};
use qm_core::name::ObjectPath;
use qm_core::{Error, Kind};
use rusqlite::{Connection, params};

use super::fault::Sql;
use super::finished::{finish_version, has_after};
use super::statements::{Statements as _, micros, only};
use super::{alerts, line};

/// Open ones of the key that a newer arrival of the same source now has overtaken. What was to be
/// taken away is replaced instead.
pub(super) const OVERTAKE: &str =
    "UPDATE deliveries INDEXED BY deliveries_newest SET overtaken = 1,
         state = CASE WHEN removes IS NULL OR state = 'running' THEN state ELSE 'superseded' END,
         ready_at = CASE WHEN removes IS NULL THEN ready_at END,
         updated_at = CASE WHEN removes IS NULL THEN updated_at ELSE ?6 END
     WHERE overtaken = 0 AND (state = 'waiting' OR state = 'running' OR state = 'dead')
         AND destination = ?1 AND target = ?2 AND arrival < ?3
         AND EXISTS (SELECT 1 FROM arrivals a
             WHERE a.seq = deliveries.arrival AND a.bucket = ?4 AND a.key = ?5)
     RETURNING CASE state WHEN 'superseded' THEN id END";

pub(super) const IS_OVERTAKEN: &str = "SELECT EXISTS (
     SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
     WHERE n.destination = ?1 AND n.target = ?2 AND n.arrival > ?3
         AND a.bucket = ?4 AND a.key = ?5)";

/// Superseded in one transaction: whoever else writes waits for it.
const AT_A_TIME: u32 = 256;

pub(super) const SUPERSEDE: &str = concat!(
    "UPDATE deliveries SET state = 'superseded', ready_at = NULL, updated_at = ?1
     WHERE number IN (SELECT o.number FROM deliveries o INDEXED BY deliveries_overtaken
         WHERE o.overtaken = 1 AND o.state IN ('waiting', 'dead') AND EXISTS (
             SELECT 1 FROM deliveries n
             JOIN arrivals na ON na.seq = n.arrival
             JOIN arrivals oa ON oa.seq = o.arrival
             WHERE n.destination = o.destination AND n.target = o.target
                 AND n.arrival > o.arrival AND na.bucket = oa.bucket AND na.key = oa.key
                 AND n.route IN (SELECT value FROM json_each(?2)))
         LIMIT ?3)
     RETURNING id, destination, target, version, ",
    has_after!()
);

pub(super) const IS_HELD: &str =
    "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?1 AND fence = ?2)";

pub(super) const IS_LATEST: &str = "SELECT
     EXISTS (SELECT 1 FROM deliveries WHERE id = ?1 AND fence = ?2)
     AND NOT EXISTS (SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
         WHERE n.destination = ?3 AND n.target = ?4 AND n.arrival >= ?5 AND n.state = 'delivered'
             AND (n.removes = ?1
                 OR n.arrival > ?5 AND (?8 OR a.bucket = ?6 AND a.key = ?7)))";

/// Where something of a source goes, and when it arrived.
pub(super) struct Place<'a> {
    pub(super) destination: &'a str,
    pub(super) target: &'a str,
    pub(super) arrival: ArrivalSeq,
    pub(super) source: &'a ObjectPath,
}

struct Superseded {
    id: String,
    destination: String,
    target: String,
    version: String,
    has_after: bool,
}

pub(super) fn supersede(connection: &Connection, routes: &[RouteName], at: Timestamp) -> Sql<u32> {
    let routes = serde_json::to_string(routes)
        .map_err(|e| Error::new(Kind::Bug, "the server made a mistake").source(e))?;
    let superseded = connection.all(SUPERSEDE, (micros(at), routes, AT_A_TIME), |columns| {
        Ok(Superseded {
            id: columns.value()?,
            destination: columns.value()?,
            target: columns.value()?,
            version: columns.value()?,
            has_after: columns.value()?,
        })
    })?;
    for one in &superseded {
        line::move_up(connection, &one.destination, &one.target)?;
        if one.has_after {
            finish_version(connection, &one.version)?;
        }
        alerts::resolve(connection, &alerts::dead_letter_key(&one.id), None, at)?;
    }
    Ok(u32::try_from(superseded.len()).unwrap_or(u32::MAX))
}

/// True if a newer arrival of the source goes there too.
pub(super) fn is_overtaken(connection: &Connection, place: &Place<'_>) -> Sql<bool> {
    connection.holds(
        IS_OVERTAKEN,
        (
            place.destination,
            place.target,
            place.arrival.0,
            place.source.bucket.as_str(),
            place.source.key.as_str(),
        ),
    )
}

/// Something of a newer arrival goes there now, and takes the place of what is there.
pub(super) fn overtake(connection: &Connection, place: &Place<'_>, at: Timestamp) -> Sql<()> {
    let overtaken: Vec<Option<String>> = connection.all(
        OVERTAKE,
        (
            place.destination,
            place.target,
            place.arrival.0,
            place.source.bucket.as_str(),
            place.source.key.as_str(),
            micros(at),
        ),
        only::value,
    )?;
    for id in overtaken.into_iter().flatten() {
        line::move_up(connection, place.destination, place.target)?;
        alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at)?;
    }
    Ok(())
}

/// True if the fence holds.
pub(super) fn is_held(connection: &Connection, delivery: &Delivery) -> Sql<bool> {
    connection.holds(IS_HELD, (delivery.id.to_string(), delivery.fence))
}

/// True if the fence holds and nothing newer was delivered.
pub(super) fn is_latest(connection: &Connection, delivery: &Delivery) -> Sql<bool> {
    connection.holds(
        IS_LATEST,
        params![
            delivery.id.to_string(),
            delivery.fence,
            delivery.destination.as_str(),
            delivery.target,
            delivery.arrival.0,
            delivery.source.bucket.as_str(),
            delivery.source.key.as_str(),
            delivery.effect != Effect::Put,
        ],
    )
}
