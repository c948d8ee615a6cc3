//! Departures: operations that routes have not looked at yet, and what follows of them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::departure::{Departure, Following};
use qm_core::id::{ArrivalSeq, DeliveryId, OperationSeq, RevisionNumber, VersionId};
use qm_core::name::ObjectPath;
use qm_core::ports::ledger::Departures;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::deliveries::{delivery, select_deliveries};
use super::fault::Sql;
use super::finished::{finish_version, has_after};
use super::new_deliveries::insert;
use super::statements::{Statements as _, micros, version_columns};
use super::{
    SqliteLedger, alerts, arrivals, audit, current_names, line, name_attributes, operations,
};

pub(super) const DEPARTURES: &str = "SELECT o.bucket, o.key, o.seq, o.version, o.arrival
     FROM operations o INDEXED BY operations_departures
     WHERE o.departs = 1 AND o.state = 'completed'
         AND NOT EXISTS (SELECT 1 FROM arrivals a INDEXED BY arrivals_unrouted
             WHERE a.version = o.version AND a.deliveries IS NULL AND a.state <> 'failed')
     ORDER BY o.seq LIMIT ?1";

/// Of each place where the version was put from this name the newest delivery from it, up to when the
/// version arrived there: one that was brought back arrived after those that it replaced.
pub(super) const COPIES_OF: &str = select_deliveries!(
    "WHERE d.number IN (
         SELECT (SELECT max(n.number) FROM deliveries n INDEXED BY deliveries_target
                 JOIN arrivals s ON s.seq = n.arrival
             WHERE n.destination = p.destination AND n.target = p.target
                 AND n.route = p.route AND n.removes IS NULL AND s.bucket = ?2 AND s.key = ?3
                 AND n.arrival <= (SELECT max(seq) FROM (
                     SELECT max(q.arrival) AS seq
                     FROM deliveries q INDEXED BY deliveries_version
                     JOIN arrivals s ON s.seq = q.arrival
                     WHERE q.version = ?1 AND q.removes IS NULL AND s.bucket = ?2 AND s.key = ?3
                     UNION ALL
                     SELECT max(r.seq) FROM arrivals r INDEXED BY arrivals_restored
                     WHERE r.version = ?1 AND r.cause = 'restore' AND r.bucket = ?2
                         AND r.key = ?3)))
         FROM deliveries p INDEXED BY deliveries_version JOIN arrivals s ON s.seq = p.arrival
         WHERE p.version = ?1 AND p.removes IS NULL AND s.bucket = ?2 AND s.key = ?3)
     ORDER BY d.number"
);

/// More versions than that are not tried to be sent over each other.
pub(super) const COPIES: &str = select_deliveries!(
    "WHERE d.destination = ?1 AND d.target = ?2 AND d.arrival <= ?3 AND d.removes IS NULL
         AND (d.state = 'delivered' OR d.fence > 0) AND a.bucket = ?4 AND a.key = ?5
     ORDER BY d.arrival DESC, d.number DESC LIMIT 8"
);

pub(super) const GIVE_UP: &str = concat!(
    "UPDATE deliveries SET state = 'superseded', ready_at = NULL, updated_at = ?2
     WHERE id = ?1 AND removes IS NULL AND state IN ('waiting', 'dead')
     RETURNING version, ",
    has_after!()
);

/// Overtaken by a newer arrival there is nothing to take away.
pub(super) const REMOVE: &str = "INSERT INTO deliveries (id, arrival, version, route, destination,
         target, removes, state, ready_at, queue, is_independent, overtaken, has_after, attempts,
         possible_duplicate, fence, revision, created_at, updated_at)
     SELECT ?2, p.arrival, p.version, p.route, p.destination, p.target, p.id,
         CASE WHEN p.is_old THEN 'superseded' ELSE 'waiting' END,
         CASE WHEN p.is_old THEN NULL ELSE ?4 END, 'ready', 0, p.is_old, 0, 0, 0, 0, ?3, ?4, ?4
     FROM (SELECT d.id, d.arrival, d.version, d.route, d.destination, d.target, EXISTS (
             SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
             JOIN arrivals s ON s.seq = d.arrival
             WHERE n.destination = d.destination AND n.target = d.target
                 AND n.arrival > d.arrival AND a.bucket = s.bucket AND a.key = s.key) AS is_old
         FROM deliveries d WHERE d.id = ?1 AND d.removes IS NULL) p
     WHERE true
     ON CONFLICT (id) DO NOTHING RETURNING destination, target";

fn departures(connection: &Connection, limit: u32) -> Sql<Vec<Departure>> {
    let rows: Vec<(ObjectPath, i64, VersionId, Option<i64>)> =
        connection.all(DEPARTURES, [limit], |columns| {
            Ok((
                columns.path()?,
                columns.value()?,
                columns.parsed(str::parse)?,
                columns.value()?,
            ))
        })?;
    let mut departures = Vec::with_capacity(rows.len());
    for (path, operation, version, arrival) in rows {
        let of = (version.to_string(), path.bucket.as_str(), path.key.as_str());
        let copies = connection.all(COPIES_OF, of, delivery)?;
        let arrival = arrival.map(|seq| arrivals::at(connection, ArrivalSeq(seq)));
        departures.push(Departure {
            operation: OperationSeq(operation),
            version,
            to: arrival.transpose()?,
            copies,
            path,
        });
    }
    Ok(departures)
}

fn depart(
    connection: &Connection,
    departure: &Departure,
    following: &[Following],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let taken = connection.run(
        "UPDATE operations SET departs = 0 WHERE seq = ?1 AND departs = 1",
        [departure.operation.0],
    )?;
    if taken == 0 {
        return Ok(0);
    }
    let cause = format!("operation {}", departure.operation.0);
    let mut created = 0;
    for one in following {
        created += match (one, &departure.to) {
            (Following::Remove(copy), _) => remove(connection, *copy, &cause, revision, at)?,
            (Following::Rename { new, replaces }, Some(to)) => {
                insert(connection, to, new, *replaces, revision, at)?
            }
            (Following::Rename { .. }, None) => {
                return Err(Error::new(Kind::Bug, "a removed object has no other name").into());
            }
        };
    }
    Ok(created)
}

/// What the delivery put somewhere is to be taken away; if it is open, it is given up.
pub(super) fn remove(
    connection: &Connection,
    copy: DeliveryId,
    cause: &str,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let (id, now) = (copy.to_string(), micros(at));
    let given_up: Option<(String, bool)> = connection.first(GIVE_UP, (&id, now), |columns| {
        Ok((columns.value()?, columns.value()?))
    })?;
    if given_up.is_some() {
        alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at)?;
    }
    let removal = copy.removal(cause).to_string();
    let line: Option<(String, String)> =
        connection.first(REMOVE, (&id, removal, revision.0, now), |columns| {
            Ok((columns.value()?, columns.value()?))
        })?;
    if let Some((destination, target)) = &line {
        line::move_up(connection, destination, target)?;
    }
    if let Some((version, true)) = given_up {
        finish_version(connection, &version)?;
    }
    Ok(u32::from(line.is_some()))
}

/// What may be under the target of a removal.
pub(super) fn copies(connection: &Connection, removal: &Delivery) -> Sql<Vec<Delivery>> {
    connection.all(
        COPIES,
        (
            removal.destination.as_str(),
            &removal.target,
            removal.arrival.0,
            removal.source.bucket.as_str(),
            removal.source.key.as_str(),
        ),
        delivery,
    )
}

fn vanished(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    record: &AuditRecord,
) -> Sql<bool> {
    let current = current_names::current(connection, path)?;
    let is_shown = current.is_some_and(|current| current.id == version);
    if !is_shown || operations::is_pending(connection, path)? {
        return Ok(false);
    }
    operations::insert_vanished(connection, path, version, record.at)?;
    current_names::clear(connection, path)?;
    name_attributes::forget(connection, path)?;
    audit::append(connection, record)?;
    Ok(true)
}

#[async_trait]
impl Departures for SqliteLedger {
    async fn departures(&self, limit: u32) -> Result<Vec<Departure>> {
        self.read("list departures", move |c| departures(c, limit))
            .await
    }

    async fn depart(
        &self,
        departure: &Departure,
        following: Vec<Following>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        let departure = departure.clone();
        self.write("let deliveries follow a departure", move |c| {
            depart(c, &departure, &following, revision, at)
        })
        .await
    }

    async fn vanished(
        &self,
        path: &ObjectPath,
        version: VersionId,
        audit: AuditRecord,
    ) -> Result<bool> {
        let path = path.clone();
        self.write("record what vanished", move |c| {
            vanished(c, &path, version, &audit)
        })
        .await
    }
}
