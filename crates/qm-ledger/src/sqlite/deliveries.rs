//! Deliveries and their attempts. Which waiting one is claimed next is decided in [`line`].

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::NewAlert;
use qm_core::arrival::Arrival;
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState, NewDelivery, Transition};
use qm_core::id::{ArrivalSeq, DeliveryId, DestinationName, RevisionNumber, RouteName};
use qm_core::ports::ledger::{Attempt, Claim, Deliveries, DeliveryFilter};
use qm_core::{Error, Kind, Result};
use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, only, version_columns};
use super::{SqliteLedger, alerts, audit, line, overtaking};

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.arrival, a.bucket, a.key, ",
            version_columns!(),
            ", d.route, d.destination, d.target, d.state, d.state_until, d.attempts, d.fence,
             d.last_error, d.revision, d.created_at, d.updated_at
             FROM deliveries d JOIN arrivals a ON a.seq = d.arrival
             JOIN versions v ON v.id = d.version ",
            $rest
        )
    };
}

pub(super) const INTERRUPTED: &str =
    select_deliveries!("WHERE d.state = 'running' ORDER BY d.number");

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
            count += insert(connection, arrival, delivery, revision, at)?;
        }
    }
    Ok(count)
}

fn insert(
    connection: &Connection,
    arrival: &Arrival,
    new: &NewDelivery,
    revision: RevisionNumber,
    at: Timestamp,
) -> Sql<u32> {
    let key = params![
        new.destination.as_str(),
        &new.target,
        arrival.seq.0,
        arrival.path.bucket.as_str(),
        arrival.path.key.as_str(),
    ];
    // Arrivals are routed in order, so this finds one only when a rename made it otherwise.
    let is_overtaken = connection.holds(overtaking::IS_OVERTAKEN, key)?;
    let added = connection.run(
        "INSERT INTO deliveries (id, arrival, version, route, destination, target, state,
             state_until, queue, overtaken, attempts, fence, revision, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7, 'ready', ?8, 0, 0, ?9, ?7, ?7)
         ON CONFLICT (id) DO NOTHING",
        (
            new.id.to_string(),
            arrival.seq.0,
            arrival.version.id.to_string(),
            new.route.as_str(),
            new.destination.as_str(),
            &new.target,
            micros(at),
            is_overtaken,
            revision.0,
        ),
    )?;
    connection.run(overtaking::OVERTAKE, key)?;
    Ok(u32::try_from(added).unwrap_or(u32::MAX))
}

fn delivery(columns: &mut Columns<'_>) -> Sql<Delivery> {
    Ok(Delivery {
        id: columns.parsed(str::parse)?,
        arrival: ArrivalSeq(columns.value()?),
        source: columns.path()?,
        version: columns.version()?,
        route: columns.parsed(RouteName::parse)?,
        destination: columns.parsed(DestinationName::parse)?,
        target: columns.value()?,
        state: state(columns)?,
        attempts: columns.value()?,
        fence: columns.value()?,
        last_error: columns.value()?,
        revision: RevisionNumber(columns.value()?),
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

fn state(columns: &mut Columns<'_>) -> Sql<DeliveryState> {
    let word: String = columns.value()?;
    let until = columns.time_if_any()?;
    match (word.as_str(), until) {
        ("waiting", Some(ready_at)) => Ok(DeliveryState::Waiting { ready_at }),
        ("running", Some(lease_until)) => Ok(DeliveryState::Running { lease_until }),
        ("delivered", None) => Ok(DeliveryState::Delivered),
        ("dead", None) => Ok(DeliveryState::Dead),
        ("superseded", None) => Ok(DeliveryState::Superseded),
        (_, _) => Err(Error::new(
            Kind::Bug,
            "the ledger holds a state that this program does not know",
        )
        .with("state", word)
        .into()),
    }
}

fn claim(connection: &Connection, claim: &Claim) -> Sql<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    for number in line::claim(connection, claim)? {
        let claimed = select_deliveries!("WHERE d.number = ?1");
        deliveries.extend(connection.first(claimed, [number], delivery)?);
    }
    Ok(deliveries)
}

fn finish(
    connection: &Connection,
    delivery: &Delivery,
    transition: &Transition,
    alert: Option<&NewAlert>,
    at: Timestamp,
) -> Sql<()> {
    let (until, last_error) = match &transition.state {
        DeliveryState::Running { .. } => {
            return Err(Error::new(Kind::Bug, "an attempt cannot end as running").into());
        }
        DeliveryState::Delivered => (None, None),
        DeliveryState::Waiting { ready_at } => (Some(micros(*ready_at)), Some(&transition.note)),
        DeliveryState::Dead | DeliveryState::Superseded => (None, Some(&transition.note)),
    };
    let number: Option<i64> = connection.first(
        "UPDATE deliveries
         SET state = ?3, state_until = ?4, queue = 'later', last_error = ?5, updated_at = ?6
         WHERE id = ?1 AND fence = ?2 AND state = 'running'
         RETURNING number",
        (
            delivery.id.to_string(),
            delivery.fence,
            transition.state.as_str(),
            until,
            last_error,
            micros(at),
        ),
        only::value,
    )?;
    let Some(number) = number else {
        return Err(lost(connection, delivery)?.into());
    };
    connection.run(
        "UPDATE attempts SET ended_at = ?3, note = ?4 WHERE delivery = ?1 AND number = ?2",
        (number, delivery.fence, micros(at), &transition.note),
    )?;
    line::move_up(connection, delivery.destination.as_str(), &delivery.target)?;
    if let Some(alert) = alert {
        alerts::raise(connection, alert)?;
    }
    Ok(())
}

fn lost(connection: &Connection, delivery: &Delivery) -> Sql<Error> {
    let is_there = connection.holds(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?1)",
        [delivery.id.to_string()],
    )?;
    let error = if is_there {
        Error::new(Kind::Conflict, "the delivery is not this worker's any more")
    } else {
        Error::new(Kind::NotFound, "no such delivery")
    };
    Ok(error.with("delivery", delivery.id))
}

/// The conditions of a filter; `number` orders by creation, newest first.
fn list(connection: &Connection, filter: &DeliveryFilter) -> Sql<Vec<Delivery>> {
    let mut conditions = vec!["TRUE"];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(id) = filter.id {
        conditions.push("d.id = ?");
        values.push(Box::new(id.to_string()));
    }
    if let Some(state) = filter.state {
        conditions.push("d.state = ?");
        values.push(Box::new(state));
    }
    if let Some(route) = &filter.route {
        conditions.push("d.route = ?");
        values.push(Box::new(route.as_str().to_owned()));
    }
    if let Some(destination) = &filter.destination {
        conditions.push("d.destination = ?");
        values.push(Box::new(destination.as_str().to_owned()));
    }
    // SQLite takes a negative limit as none.
    let limit = match filter.limit {
        0 => -1,
        limit => i64::from(limit),
    };
    values.push(Box::new(limit));
    let sql = format!(
        "{} WHERE {} ORDER BY d.number DESC LIMIT ?",
        select_deliveries!(""),
        conditions.join(" AND ")
    );
    connection.all(&sql, params_from_iter(values), delivery)
}

fn redrive(
    connection: &Connection,
    filter: DeliveryFilter,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Vec<DeliveryId>> {
    let dead = DeliveryState::Dead.as_str();
    let mut redriven = Vec::new();
    if filter.state.is_none_or(|state| state == dead) {
        let filter = DeliveryFilter {
            state: Some(dead),
            ..filter
        };
        for delivery in list(connection, &filter)? {
            let id = delivery.id.to_string();
            connection.run(
                "UPDATE deliveries SET state = 'waiting', state_until = ?2, queue = 'ready',
                     attempts = 0, updated_at = ?2
                 WHERE id = ?1",
                (&id, micros(at)),
            )?;
            alerts::resolve(connection, &alerts::dead_letter_key(&id), None, at)?;
            redriven.push(delivery.id);
        }
    }
    audit::append(connection, record)?;
    Ok(redriven)
}

fn attempts(connection: &Connection, id: DeliveryId) -> Sql<Vec<Attempt>> {
    connection.all(
        "SELECT a.number, a.began_at, a.ended_at, a.note
         FROM deliveries d JOIN attempts a ON a.delivery = d.number
         WHERE d.id = ?1 ORDER BY a.number",
        [id.to_string()],
        |columns| {
            Ok(Attempt {
                number: columns.value()?,
                began_at: columns.time()?,
                ended_at: columns.time_if_any()?,
                note: columns.value()?,
            })
        },
    )
}

fn counts(connection: &Connection) -> Sql<Vec<(DeliveryState, u64)>> {
    connection.all(
        "SELECT state, min(state_until), count(*) FROM deliveries GROUP BY state ORDER BY state",
        [],
        |columns| Ok((state(columns)?, columns.size()?)),
    )
}

#[async_trait]
impl Deliveries for SqliteLedger {
    async fn claim(&self, asked: Claim) -> Result<Vec<Delivery>> {
        self.write("claim deliveries", move |c| claim(c, &asked))
            .await
    }

    async fn interrupted(&self) -> Result<Vec<Delivery>> {
        self.read("list interrupted deliveries", |c| {
            c.all(INTERRUPTED, [], delivery)
        })
        .await
    }

    async fn finish(
        &self,
        delivery: &Delivery,
        transition: Transition,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()> {
        let delivery = delivery.clone();
        self.write("finish an attempt", move |c| {
            finish(c, &delivery, &transition, alert.as_ref(), at)
        })
        .await
    }

    async fn is_latest(&self, delivery: &Delivery) -> Result<bool> {
        let delivery = delivery.clone();
        self.read("ask whether a delivery is the latest", move |c| {
            overtaking::is_latest(c, &delivery)
        })
        .await
    }

    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32> {
        let routes = routes.to_vec();
        self.write("supersede deliveries", move |c| {
            overtaking::supersede(c, &routes, at)
        })
        .await
    }

    async fn next_ready(&self) -> Result<Option<Timestamp>> {
        self.read("look for the next delivery", line::next_ready)
            .await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        self.read("list deliveries", move |c| list(c, &filter))
            .await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        self.read("list attempts", move |c| attempts(c, id)).await
    }

    async fn redrive(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write("redrive deliveries", move |c| {
            redrive(c, filter, &audit, at)
        })
        .await
    }

    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>> {
        self.read("count deliveries", counts).await
    }
}
