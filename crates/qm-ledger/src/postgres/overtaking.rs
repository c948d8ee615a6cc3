//! Newer arrivals of the same source that go to the same target as older deliveries.

use jiff::Timestamp;
use qm_core::delivery::{Delivery, Effect};
use qm_core::id::{ArrivalSeq, RouteName};
use qm_core::name::ObjectPath;
use std::collections::BTreeSet;

use super::connection::Connection;
use super::fault::Sql;
use super::finished::{finish_versions, has_after};
use super::lease::lease_goes_on;
use super::statements::{count, micros, only};
use super::{alerts, line};

/// Open ones of the key that a newer arrival of the same source now has overtaken. What was to be
/// taken away is replaced instead.
const OVERTAKE: &str = "UPDATE deliveries SET is_overtaken = true,
         state = CASE WHEN removes IS NULL OR state = 'running' THEN state ELSE 'superseded' END,
         ready_at = CASE WHEN removes IS NULL THEN ready_at END,
         updated_at = CASE WHEN removes IS NULL THEN updated_at ELSE $6 END
     WHERE NOT is_overtaken AND state IN ('waiting', 'running', 'dead')
         AND destination = $1 AND target = $2 AND arrival < $3
         AND EXISTS (SELECT 1 FROM arrivals a
             WHERE a.seq = deliveries.arrival AND a.bucket = $4 AND a.key = $5)
     RETURNING CASE state WHEN 'superseded' THEN id END";

const IS_OVERTAKEN: &str = "SELECT EXISTS (
     SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
     WHERE n.destination = $1 AND n.target = $2 AND n.arrival > $3
         AND a.bucket = $4 AND a.key = $5)";

/// Those that a route of `$1` has overtaken.
macro_rules! superseded {
    () => {
        "d.is_overtaken AND d.state IN ('waiting', 'dead') AND EXISTS (
             SELECT 1 FROM deliveries n
             JOIN arrivals na ON na.seq = n.arrival
             JOIN arrivals oa ON oa.seq = d.arrival
             WHERE n.destination = d.destination AND n.target = d.target
                 AND n.arrival > d.arrival AND na.bucket = oa.bucket AND na.key = oa.key
                 AND n.route = ANY ($1))"
    };
}

const LINES: &str = concat!(
    "SELECT DISTINCT d.destination, d.target FROM deliveries d WHERE ",
    superseded!(),
    " ORDER BY d.destination, d.target LIMIT $2"
);

/// Superseded in one transaction, and of one line: what it locks, others wait for.
const AT_A_TIME: u32 = 256;

const SUPERSEDE: &str = concat!(
    "UPDATE deliveries SET state = 'superseded', ready_at = NULL, updated_at = $2
     WHERE number IN (SELECT d.number FROM deliveries d
         WHERE d.destination = $3 AND d.target = $4 AND ",
    superseded!(),
    " LIMIT $5) AND state IN ('waiting', 'dead') RETURNING id, CASE WHEN ",
    has_after!(),
    " THEN version END"
);

/// Delivery `$1` with fence `$2` is that of node `$3` in its run `$4`.
macro_rules! held {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM deliveries WHERE id = $1 AND fence = $2
                 AND (state <> 'running' OR (node = $3 AND epoch = $4))) AND ",
            lease_goes_on!("$3", "$4")
        )
    };
}

const IS_HELD: &str = concat!("SELECT ", held!());

const IS_LATEST: &str = concat!(
    "SELECT ",
    held!(),
    " AND NOT EXISTS (SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
         WHERE n.destination = $5 AND n.target = $6 AND n.arrival >= $7 AND n.state = 'delivered'
             AND (n.removes = $1
                 OR n.arrival > $7 AND ($10 OR a.bucket = $8 AND a.key = $9)))"
);

pub(super) async fn lines_to_supersede(
    connection: &Connection,
    routes: &[String],
) -> Sql<Vec<(String, String)>> {
    connection
        .all(LINES, &[&routes, &i64::from(AT_A_TIME)], |columns| {
            Ok((columns.value()?, columns.value()?))
        })
        .await
}

/// In the order of lines, so that two who do this never wait for each other.
pub(super) async fn supersede(
    connection: &Connection,
    lines: &[(String, String)],
    routes: &[String],
    at: Timestamp,
) -> Sql<u32> {
    let mut superseded: u64 = 0;
    let mut followed: BTreeSet<String> = BTreeSet::new();
    for (destination, target) in lines {
        if superseded >= u64::from(AT_A_TIME) {
            break;
        }
        line::lock(connection, destination, target).await?;
        let ended = connection
            .all(
                SUPERSEDE,
                &[
                    &routes,
                    &micros(at),
                    destination,
                    target,
                    &i64::from(AT_A_TIME),
                ],
                |columns| {
                    let id: String = columns.value()?;
                    Ok((id, columns.value::<Option<String>>()?))
                },
            )
            .await?;
        line::settle(connection, destination, target, at).await?;
        for (id, version) in ended {
            followed.extend(version);
            alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at).await?;
            superseded += 1;
        }
    }
    // Lines are locked before versions.
    let followed: Vec<&str> = followed.iter().map(String::as_str).collect();
    finish_versions(connection, &followed).await?;
    Ok(count(superseded))
}

/// Where something of a source goes, and when it arrived.
pub(super) struct Place<'a> {
    pub(super) destination: &'a str,
    pub(super) target: &'a str,
    pub(super) arrival: ArrivalSeq,
    pub(super) source: &'a ObjectPath,
}

/// True if a newer arrival of the source goes there too.
pub(super) async fn is_overtaken(connection: &Connection, place: &Place<'_>) -> Sql<bool> {
    connection
        .holds(
            IS_OVERTAKEN,
            &[
                &place.destination,
                &place.target,
                &place.arrival.0,
                &place.source.bucket.as_str(),
                &place.source.key.as_str(),
            ],
        )
        .await
}

/// Something of a newer arrival goes there now, and takes the place of what is there; the line is locked,
/// and settled by the caller.
pub(super) async fn overtake(connection: &Connection, place: &Place<'_>, at: Timestamp) -> Sql<()> {
    let overtaken = connection
        .all(
            OVERTAKE,
            &[
                &place.destination,
                &place.target,
                &place.arrival.0,
                &place.source.bucket.as_str(),
                &place.source.key.as_str(),
                &micros(at),
            ],
            only::value::<Option<String>>,
        )
        .await?;
    for id in overtaken.into_iter().flatten() {
        alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at).await?;
    }
    Ok(())
}

/// The names as the statements take them.
pub(super) fn listed(routes: &[RouteName]) -> Vec<String> {
    routes.iter().map(ToString::to_string).collect()
}

/// True if the fence and the lease hold.
pub(super) async fn is_held(
    connection: &Connection,
    delivery: &Delivery,
    node: &str,
    epoch: i64,
) -> Sql<bool> {
    connection
        .holds(
            IS_HELD,
            &[&delivery.id.to_string(), &delivery.fence, &node, &epoch],
        )
        .await
}

/// True if the fence and the lease hold and nothing newer was delivered.
pub(super) async fn is_latest(
    connection: &Connection,
    delivery: &Delivery,
    node: &str,
    epoch: i64,
) -> Sql<bool> {
    let latest = connection
        .first(
            IS_LATEST,
            &[
                &delivery.id.to_string(),
                &delivery.fence,
                &node,
                &epoch,
                &delivery.destination.as_str(),
                &delivery.target,
                &delivery.arrival.0,
                &delivery.source.bucket.as_str(),
                &delivery.source.key.as_str(),
                &(delivery.effect != Effect::Put),
            ],
            only::value::<bool>,
        )
        .await?;
    Ok(latest.unwrap_or(false))
}
