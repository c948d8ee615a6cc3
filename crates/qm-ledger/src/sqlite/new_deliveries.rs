//! New deliveries: those that routes make, and the removals that follow them.

use jiff::Timestamp;
use qm_core::arrival::Arrival;
use qm_core::delivery::NewDelivery;
use qm_core::id::{DeliveryId, RevisionNumber};
use rusqlite::Connection;

use super::fault::Sql;
use super::overtaking::{self, Place};
use super::statements::{Statements as _, micros, only};

/// Creates those of routes that have not fired for this version; returns how many.
pub(super) fn create(
    connection: &Connection,
    arrival: &Arrival,
    new: &[NewDelivery],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let fired: Vec<String> = connection.all(
        "SELECT DISTINCT route FROM deliveries WHERE version = ?1",
        [arrival.version.id.to_string()],
        only::value,
    )?;
    let mut count = 0;
    for delivery in new {
        if !fired.iter().any(|route| route == delivery.route.as_str()) {
            count += insert(connection, arrival, delivery, None, revision, at)?;
        }
    }
    Ok(count)
}

/// Creates one; what `replaces` put somewhere is taken away when it is delivered.
pub(super) fn insert(
    connection: &Connection,
    arrival: &Arrival,
    new: &NewDelivery,
    replaces: Option<DeliveryId>,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let place = Place {
        destination: new.destination.as_str(),
        target: &new.target,
        arrival: arrival.seq,
        source: &arrival.path,
    };
    // Arrivals are routed in order, so this finds one only when a rename made it otherwise.
    let is_overtaken = !new.adds && overtaking::is_overtaken(connection, &place)?;
    let added = connection.run(
        "INSERT INTO deliveries (id, arrival, version, route, destination, target, state,
             ready_at, queue, is_independent, overtaken, has_after, attempts, possible_duplicate,
             fence, revision, created_at, updated_at, replaces)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7, 'ready', ?8, ?9, ?10, 0, 0, 0, ?11, ?7,
             ?7, ?12)
         ON CONFLICT (id) DO NOTHING",
        (
            new.id.to_string(),
            arrival.seq.0,
            arrival.version.id.to_string(),
            new.route.as_str(),
            new.destination.as_str(),
            &new.target,
            micros(at),
            new.is_independent,
            is_overtaken,
            new.has_after,
            revision.0,
            replaces.map(|id| id.to_string()),
        ),
    )?;
    if !new.adds {
        overtaking::overtake(connection, &place, at)?;
    }
    Ok(u32::try_from(added).unwrap_or(u32::MAX))
}
