//! What is to be done to objects when the deliveries of their version have ended. A delivery is
//! marked in the transaction that ends the last one of its version, so that a look for what is to
//! be done does not walk along those that still wait for another.

use jiff::Timestamp;
use qm_core::delivery::{Finished, FinishedWhy};
use qm_core::id::{DeliveryId, RouteName};
use qm_core::{Error, Kind};
use rusqlite::Connection;

use super::attempts;
use super::fault::Sql;
use super::kept::needs_bytes;
use super::statements::{Columns, Statements as _, micros, version_columns};

/// The word of [`FinishedWhy::Rejected`].
pub(super) const REJECTED: &str = "rejected";
const DELIVERED: &str = "delivered";

/// In a RETURNING of deliveries: true if some delivery of the row's version is to be followed by
/// something.
macro_rules! has_after {
    () => {
        "EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_after
             WHERE o.version = deliveries.version AND o.has_after = 1)"
    };
}
pub(super) use has_after;

pub(super) const MARK: &str = "UPDATE deliveries INDEXED BY deliveries_after
     SET finished = 'delivered'
     WHERE version = ?1 AND has_after = 1 AND state = 'delivered' AND finished IS NULL
         AND NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_version
             WHERE o.version = ?1 AND o.removes IS NULL AND o.state IN ('waiting', 'running', 'dead', 'cancelled', 'purged'))";

/// To be called when a delivery of the version has ended well.
pub(super) fn finish_version(connection: &Connection, version: &str) -> Sql<()> {
    connection.run(MARK, [version])?;
    Ok(())
}

/// A mark is no promise: the version may have arrived under another name since.
pub(super) const FINISHED: &str = concat!(
    "SELECT f.id, f.route, s.bucket, s.key, ",
    version_columns!(),
    ", s.at, f.finished
     FROM deliveries f INDEXED BY deliveries_finished
     JOIN arrivals s ON s.seq = f.arrival JOIN versions v ON v.id = f.version
     WHERE f.finished IS NOT NULL AND (f.finished = 'rejected' OR NOT ",
    needs_bytes!("f.version"),
    " AND NOT EXISTS (SELECT 1 FROM deliveries o INDEXED BY deliveries_version
         WHERE o.version = f.version AND o.removes IS NULL AND o.state IN ('cancelled', 'purged'))) ORDER BY f.number LIMIT ?1"
);

pub(super) fn finished(connection: &Connection, limit: u32) -> Sql<Vec<Finished>> {
    connection.all(FINISHED, [limit], |columns| {
        Ok(Finished {
            delivery: columns.parsed(str::parse)?,
            route: columns.parsed(RouteName::parse)?,
            source: columns.path()?,
            version: columns.version()?,
            arrived_at: columns.time()?,
            why: why(columns)?,
        })
    })
}

fn why(columns: &mut Columns<'_>) -> Sql<FinishedWhy> {
    columns.parsed(|word| match word {
        DELIVERED => Some(FinishedWhy::Delivered),
        REJECTED => Some(FinishedWhy::Rejected),
        _ => None,
    })
}

/// What was delivered is followed by nothing more; what was rejected may be redriven.
pub(super) fn tidied(
    connection: &Connection,
    delivery: DeliveryId,
    note: &str,
    at: Timestamp,
) -> Sql<()> {
    let found: Option<(i64, bool)> = connection.first(
        "SELECT number, finished IS NOT NULL FROM deliveries WHERE id = ?1",
        [delivery.to_string()],
        |columns| Ok((columns.value()?, columns.value()?)),
    )?;
    let Some((number, is_finished)) = found else {
        return Err(Error::new(Kind::NotFound, "no such delivery")
            .with("delivery", delivery)
            .into());
    };
    if !is_finished {
        return Ok(());
    }
    connection.run(
        "UPDATE deliveries SET has_after = (has_after AND finished <> 'delivered'),
             finished = NULL, updated_at = ?2
         WHERE number = ?1",
        (number, micros(at)),
    )?;
    attempts::note(connection, number, note, at)
}
