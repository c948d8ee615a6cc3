//! What is to be done to objects when the deliveries of their version have ended. A delivery is
//! marked in the transaction that ends the last one of its version, so that a look for what is to
//! be done does not walk along those that still wait for another.

use futures_util::future::try_join_all;
use jiff::Timestamp;
use qm_core::delivery::{Finished, FinishedWhy};
use qm_core::id::{DeliveryId, RouteName};
use qm_core::{Error, Kind};

use super::attempts;
use super::connection::Connection;
use super::fault::Sql;
use super::kept::needs_bytes;
use super::statements::{Columns, micros, stored_text, version_columns};

/// The word of [`FinishedWhy::Rejected`].
pub(super) const REJECTED: &str = "rejected";
const DELIVERED: &str = "delivered";

/// In a RETURNING of deliveries: true if some delivery of the row's version is to be followed by
/// something.
macro_rules! has_after {
    () => {
        "EXISTS (SELECT 1 FROM deliveries o
             WHERE o.version = deliveries.version AND o.has_after)"
    };
}
pub(super) use has_after;

/// Of two that end at the same time, the second must see the first. In one order, so that two who
/// lock several never wait for each other.
const LOCK: &str = "SELECT 1 FROM versions WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";

const MARK: &str = "UPDATE deliveries SET finished = 'delivered'
     WHERE version = $1 AND has_after AND state = 'delivered' AND finished IS NULL
         AND NOT EXISTS (SELECT 1 FROM deliveries o
             WHERE o.version = $1 AND o.removes IS NULL AND o.state IN ('waiting', 'running', 'dead', 'cancelled', 'purged'))";

/// To be called when a delivery of the version has ended well; no line is locked afterwards.
pub(super) async fn finish_version(connection: &Connection, version: &str) -> Sql<()> {
    finish_versions(connection, &[version]).await
}

/// The same of several.
pub(super) async fn finish_versions(connection: &Connection, versions: &[&str]) -> Sql<()> {
    if versions.is_empty() {
        return Ok(());
    }
    connection.run(LOCK, &[&versions]).await?;
    connection.prepare(&[MARK]).await?;
    let marked = versions.iter().map(|version| mark(connection, version));
    try_join_all(marked).await?;
    Ok(())
}

async fn mark(connection: &Connection, version: &str) -> Sql<u64> {
    connection.run(MARK, &[&version]).await
}

/// A mark is no promise: the version may have arrived under another name since.
const FINISHED: &str = concat!(
    "SELECT f.id, f.route, s.bucket, s.key, ",
    version_columns!(),
    ", s.at, f.finished
     FROM deliveries f JOIN arrivals s ON s.seq = f.arrival JOIN versions v ON v.id = f.version
     WHERE f.finished IS NOT NULL AND (f.finished = 'rejected' OR NOT ",
    needs_bytes!("f.version"),
    " AND NOT EXISTS (SELECT 1 FROM deliveries o
         WHERE o.version = f.version AND o.removes IS NULL AND o.state IN ('cancelled', 'purged'))) ORDER BY f.number LIMIT $1"
);

pub(super) async fn finished(connection: &Connection, limit: u32) -> Sql<Vec<Finished>> {
    connection
        .all(FINISHED, &[&i64::from(limit)], |columns| {
            Ok(Finished {
                delivery: columns.parsed(str::parse)?,
                route: columns.parsed(RouteName::parse)?,
                source: columns.path()?,
                version: columns.version()?,
                arrived_at: columns.time()?,
                why: why(columns)?,
            })
        })
        .await
}

fn why(columns: &mut Columns<'_>) -> Sql<FinishedWhy> {
    columns.parsed(|word| match word {
        DELIVERED => Some(FinishedWhy::Delivered),
        REJECTED => Some(FinishedWhy::Rejected),
        _ => None,
    })
}

/// What was delivered is followed by nothing more; what was rejected may be redriven.
pub(super) async fn tidied(
    connection: &Connection,
    delivery: DeliveryId,
    note: &str,
    at: Timestamp,
) -> Sql<()> {
    let found = connection
        .first(
            "SELECT number, finished IS NOT NULL FROM deliveries WHERE id = $1 FOR NO KEY UPDATE",
            &[&delivery.to_string()],
            |columns| Ok((columns.value::<i64>()?, columns.value::<bool>()?)),
        )
        .await?;
    let Some((number, is_finished)) = found else {
        return Err(Error::new(Kind::NotFound, "no such delivery")
            .with("delivery", delivery)
            .into());
    };
    if !is_finished {
        return Ok(());
    }
    connection
        .run(
            "UPDATE deliveries SET has_after = (has_after AND finished <> 'delivered'),
                 finished = NULL, updated_at = $2
             WHERE number = $1",
            &[&number, &micros(at)],
        )
        .await?;
    attempts::note(connection, number, &stored_text(note), at).await
}
