//! New deliveries: those that routes make, and the removals that follow them.

use jiff::Timestamp;
use qm_core::arrival::Arrival;
use qm_core::delivery::NewDelivery;
use qm_core::id::{DeliveryId, RevisionNumber};
use std::borrow::Cow;

use super::connection::Connection;
use super::fault::Sql;
use super::line;
use super::overtaking::{self, Place};
use super::statements::{count, micros, only, stored_text};

/// Creates those of routes that have not fired for this version; returns how many.
pub(super) async fn create(
    connection: &Connection,
    arrival: &Arrival,
    new: &[NewDelivery],
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let fired = connection
        .all(
            "SELECT DISTINCT route FROM deliveries WHERE version = $1",
            &[&arrival.version.id.to_string()],
            only::value::<String>,
        )
        .await?;
    let new: Vec<&NewDelivery> = new
        .iter()
        .filter(|new| !fired.iter().any(|route| route == new.route.as_str()))
        .collect();
    let targets: Vec<_> = new.iter().map(|new| stored_text(&new.target)).collect();
    let destinations = new.iter().map(|new| new.destination.as_str());
    let keys = destinations.zip(targets.iter().map(Cow::as_ref)).collect();
    line::lock_all(connection, &keys).await?;
    let mut created = 0;
    for new in new {
        created += insert_locked(connection, arrival, new, None, revision, at).await?;
    }
    Ok(created)
}

/// Creates one; what `replaces` put somewhere is taken away when it is delivered.
pub(super) async fn insert(
    connection: &Connection,
    arrival: &Arrival,
    new: &NewDelivery,
    replaces: Option<DeliveryId>,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    line::lock(
        connection,
        new.destination.as_str(),
        &stored_text(&new.target),
    )
    .await?;
    insert_locked(connection, arrival, new, replaces, revision, at).await
}

/// The same of one whose line is locked.
async fn insert_locked(
    connection: &Connection,
    arrival: &Arrival,
    new: &NewDelivery,
    replaces: Option<DeliveryId>,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let target = stored_text(&new.target);
    let destination = new.destination.as_str();
    let place = Place {
        destination,
        target: &target,
        arrival: arrival.seq,
        source: &arrival.path,
    };
    // Arrivals are routed in order, so this finds one only when a rename or another node made it
    // otherwise.
    let is_overtaken = !new.adds && overtaking::is_overtaken(connection, &place).await?;
    let added = connection
        .run(
            "INSERT INTO deliveries (id, arrival, version, route, destination, target, state,
                 ready_at, is_independent, is_overtaken, has_after, possible_duplicate, attempts,
                 fence, revision, created_at, updated_at, replaces)
             VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $10, false, 0, 0, $11, $7, $7,
                 $12)
             ON CONFLICT (id) DO NOTHING",
            &[
                &new.id.to_string(),
                &arrival.seq.0,
                &arrival.version.id.to_string(),
                &new.route.as_str(),
                &destination,
                &target,
                &micros(at),
                &new.is_independent,
                &is_overtaken,
                &new.has_after,
                &revision.0,
                &replaces.map(|id| id.to_string()),
            ],
        )
        .await?;
    if !new.adds {
        overtaking::overtake(connection, &place, at).await?;
    }
    line::settle(connection, destination, &target, at).await?;
    Ok(count(added))
}
