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

use super::connection::Connection;
use super::deliveries::{delivery, select_deliveries};
use super::fault::Sql;
use super::finished::{finish_version, has_after};
use super::new_deliveries::insert;
use super::statements::{micros, only, version_columns};
use super::{
    PostgresLedger, alerts, arrivals, audit, current_names, line, name_attributes, operations,
};

const DEPARTURES: &str = "SELECT o.bucket, o.key, o.seq, o.version, o.arrival
     FROM operations o
     WHERE o.departs AND o.state = 'completed'
         AND NOT EXISTS (SELECT 1 FROM arrivals a
             WHERE a.version = o.version AND a.deliveries IS NULL AND a.state <> 'failed')
     ORDER BY o.seq LIMIT $1";

/// Of each place where the version was put from this name the newest delivery from it, up to when the
/// version arrived there: one that was brought back arrived after those that it replaced.
const COPIES_OF: &str = select_deliveries!(
    "WHERE d.number IN (
         SELECT (SELECT max(n.number) FROM deliveries n JOIN arrivals s ON s.seq = n.arrival
             WHERE n.destination = p.destination AND n.target = p.target
                 AND n.route = p.route AND n.removes IS NULL AND s.bucket = $2 AND s.key = $3
                 AND n.arrival <= (SELECT max(came.seq) FROM (
                     SELECT max(q.arrival) AS seq
                     FROM deliveries q JOIN arrivals s ON s.seq = q.arrival
                     WHERE q.version = $1 AND q.removes IS NULL AND s.bucket = $2 AND s.key = $3
                     UNION ALL
                     SELECT max(r.seq) FROM arrivals r
                     WHERE r.version = $1 AND r.cause = 'restore' AND r.bucket = $2
                         AND r.key = $3) came))
         FROM deliveries p JOIN arrivals s ON s.seq = p.arrival
         WHERE p.version = $1 AND p.removes IS NULL AND s.bucket = $2 AND s.key = $3)
     ORDER BY d.number"
);

/// More versions than that are not tried to be sent over each other.
const COPIES: &str = select_deliveries!(
    "WHERE d.destination = $1 AND d.target = $2 AND d.arrival <= $3 AND d.removes IS NULL
         AND (d.state = 'delivered' OR d.fence > 0) AND a.bucket = $4 AND a.key = $5
     ORDER BY d.arrival DESC, d.number DESC LIMIT 8"
);

const GIVE_UP: &str = concat!(
    "UPDATE deliveries SET state = 'superseded', ready_at = NULL, updated_at = $2
     WHERE id = $1 AND removes IS NULL AND state IN ('waiting', 'dead')
     RETURNING version, ",
    has_after!()
);

/// Overtaken by a newer arrival there is nothing to take away.
const REMOVE: &str = "INSERT INTO deliveries (id, arrival, version, route, destination, target,
         removes, state, ready_at, is_independent, is_overtaken, has_after, attempts,
         possible_duplicate, fence, revision, created_at, updated_at)
     SELECT $2, p.arrival, p.version, p.route, p.destination, p.target, p.id,
         CASE WHEN p.is_old THEN 'superseded' ELSE 'waiting' END,
         CASE WHEN p.is_old THEN NULL ELSE $4::bigint END, false, p.is_old, false, 0, false, 0,
         $3::bigint, $4::bigint, $4::bigint
     FROM (SELECT d.*, EXISTS (
             SELECT 1 FROM deliveries n JOIN arrivals a ON a.seq = n.arrival
             JOIN arrivals s ON s.seq = d.arrival
             WHERE n.destination = d.destination AND n.target = d.target
                 AND n.arrival > d.arrival AND a.bucket = s.bucket AND a.key = s.key) AS is_old
         FROM deliveries d WHERE d.id = $1 AND d.removes IS NULL) p
     ON CONFLICT (id) DO NOTHING";

async fn departures(connection: &Connection, limit: u32) -> Sql<Vec<Departure>> {
    let rows = connection
        .all(DEPARTURES, &[&i64::from(limit)], |columns| {
            let (path, operation) = (columns.path()?, OperationSeq(columns.value()?));
            let version: VersionId = columns.parsed(str::parse)?;
            Ok((path, operation, version, columns.value::<Option<i64>>()?))
        })
        .await?;
    let mut departures = Vec::with_capacity(rows.len());
    for (path, operation, version, arrival) in rows {
        let copies = connection
            .all(
                COPIES_OF,
                &[
                    &version.to_string(),
                    &path.bucket.as_str(),
                    &path.key.as_str(),
                ],
                delivery,
            )
            .await?;
        let to = match arrival {
            Some(seq) => Some(arrivals::at(connection, ArrivalSeq(seq)).await?),
            None => None,
        };
        departures.push(Departure {
            operation,
            path,
            version,
            to,
            copies,
        });
    }
    Ok(departures)
}

async fn depart(
    connection: &Connection,
    departure: &Departure,
    following: &[Following],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let taken = connection
        .run(
            "UPDATE operations SET departs = false WHERE seq = $1 AND departs",
            &[&departure.operation.0],
        )
        .await?;
    if taken == 0 {
        return Ok(0);
    }
    let cause = format!("operation {}", departure.operation.0);
    let mut created = 0;
    for one in following {
        created += match (one, &departure.to) {
            (Following::Remove(copy), _) => remove(connection, *copy, &cause, revision, at).await?,
            (Following::Rename { new, replaces }, Some(to)) => {
                insert(connection, to, new, *replaces, revision, at).await?
            }
            (Following::Rename { .. }, None) => {
                return Err(Error::new(Kind::Bug, "a removed object has no other name").into());
            }
        };
    }
    Ok(created)
}

/// What the delivery put somewhere is to be taken away; if it is open, it is given up.
pub(super) async fn remove(
    connection: &Connection,
    copy: DeliveryId,
    cause: &str,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    const PLACE: &str = "SELECT destination, target FROM deliveries WHERE id = $1";
    let (id, now) = (copy.to_string(), micros(at));
    let place = connection
        .first(PLACE, &[&id], |columns| {
            Ok((columns.value::<String>()?, columns.value::<String>()?))
        })
        .await?;
    let Some((destination, target)) = place else {
        return Ok(0);
    };
    line::lock(connection, &destination, &target).await?;
    let given_up = connection
        .first(GIVE_UP, &[&id, &now], |columns| {
            Ok((columns.value::<String>()?, columns.value::<bool>()?))
        })
        .await?;
    let removal = copy.removal(cause).to_string();
    let created = connection
        .run(REMOVE, &[&id, &removal, &revision.0, &now])
        .await?;
    line::settle(connection, &destination, &target, at).await?;
    if let Some((version, has_after)) = given_up {
        alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at).await?;
        if has_after {
            finish_version(connection, &version).await?;
        }
    }
    Ok(u32::from(created > 0))
}

/// What may be under the target of a removal.
pub(super) async fn copies(connection: &Connection, removal: &Delivery) -> Sql<Vec<Delivery>> {
    connection
        .all(
            COPIES,
            &[
                &removal.destination.as_str(),
                &removal.target,
                &removal.arrival.0,
                &removal.source.bucket.as_str(),
                &removal.source.key.as_str(),
            ],
            delivery,
        )
        .await
}

async fn vanished(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    record: &AuditRecord,
) -> Sql<bool> {
    const SHOWN: &str = "SELECT version FROM current_names
         WHERE bucket = $1 AND key = $2 FOR UPDATE";
    let shown = connection
        .first(
            SHOWN,
            &[&path.bucket.as_str(), &path.key.as_str()],
            only::value::<String>,
        )
        .await?;
    let is_shown = shown.is_some_and(|shown| shown == version.to_string());
    if !is_shown || operations::is_pending(connection, path).await? {
        return Ok(false);
    }
    operations::insert_vanished(connection, path, version, record.at).await?;
    current_names::clear(connection, path).await?;
    name_attributes::forget(connection, path).await?;
    audit::append(connection, record).await?;
    Ok(true)
}

#[async_trait]
impl Departures for PostgresLedger {
    async fn departures(&self, limit: u32) -> Result<Vec<Departure>> {
        self.read("list departures", limit, |c, limit| {
            Box::pin(async move { departures(c, *limit).await })
        })
        .await
    }

    async fn depart(
        &self,
        departure: &Departure,
        following: Vec<Following>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        let data = (departure.clone(), following, revision, at);
        self.write(
            "let deliveries follow a departure",
            data,
            |c, (departure, following, revision, at)| {
                Box::pin(depart(c, departure, following, *revision, *at))
            },
        )
        .await
    }

    async fn vanished(
        &self,
        path: &ObjectPath,
        version: VersionId,
        audit: AuditRecord,
    ) -> Result<bool> {
        let data = (path.clone(), version, audit);
        self.write_held("record what vanished", data, |c, (path, version, audit)| {
            Box::pin(vanished(c, path, *version, audit))
        })
        .await
    }
}
