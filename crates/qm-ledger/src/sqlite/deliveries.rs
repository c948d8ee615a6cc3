//! Deliveries: listed, counted. Which waiting one is claimed next is decided in [`line`],
//! how an attempt ends in [`attempts`].

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice};
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState, Effect, Finished, Transition};
use qm_core::id::{ArrivalSeq, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName};
use qm_core::ports::ledger::{Attempt, Claim, Deliveries, DeliveryFilter};
use qm_core::{Error, Kind, Result};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, version_columns};
use super::{SqliteLedger, attempts, dead_letters, departures, finished, line, overtaking};

/// From all deliveries, or from those that an index has.
macro_rules! select_deliveries {
    ($rest:literal) => {
        select_deliveries!("", $rest)
    };
    ($indexed:literal, $rest:literal) => {
        concat!(
            "SELECT d.id, d.arrival, a.bucket, a.key, ",
            version_columns!(),
            ", d.route, d.destination, d.target, d.removes, d.state, d.ready_at, d.node, d.attempts,
             d.possible_duplicate, d.fence, d.last_error, d.revision, a.at, d.created_at,
             d.updated_at
             FROM deliveries d ",
            $indexed,
            " JOIN arrivals a ON a.seq = d.arrival
             JOIN versions v ON v.id = d.version ",
            $rest
        )
    };
}
pub(super) use select_deliveries;

/// What is open longest is the first that was created.
pub(super) const OLDEST_OPEN: &str = select_deliveries!(
    "WHERE d.number IN (
         (SELECT min(number) FROM deliveries INDEXED BY deliveries_state
             WHERE state = 'waiting'),
         (SELECT min(number) FROM deliveries INDEXED BY deliveries_state
             WHERE state = 'running'))
     ORDER BY d.number LIMIT 1"
);

pub(super) const OLDEST_WAITING: &str = select_deliveries!(
    "INDEXED BY deliveries_aging",
    "WHERE d.state = 'waiting' AND d.route = ?1 ORDER BY d.arrival, d.number LIMIT ?2"
);

pub(super) const COUNTS: &str = concat!(
    "SELECT c.state, CASE c.state WHEN 'waiting' THEN (",
    line::first_ready!(),
    ") END, CASE c.state WHEN 'running' THEN
         (SELECT min(node) FROM deliveries INDEXED BY deliveries_running
             WHERE state = 'running') END, c.count
     FROM (SELECT state, count(*) AS count FROM deliveries INDEXED BY deliveries_state
         GROUP BY state ORDER BY state) c"
);

/// Those with these numbers, in that order.
pub(super) fn by_number(connection: &Connection, numbers: &[i64]) -> Sql<Vec<Delivery>> {
    let mut deliveries = Vec::with_capacity(numbers.len());
    for number in numbers {
        let one = select_deliveries!("WHERE d.number = ?1");
        deliveries.extend(connection.first(one, [number], delivery)?);
    }
    Ok(deliveries)
}

pub(super) fn delivery(columns: &mut Columns<'_>) -> Sql<Delivery> {
    Ok(Delivery {
        id: columns.parsed(str::parse)?,
        arrival: ArrivalSeq(columns.value()?),
        source: columns.path()?,
        version: columns.version()?,
        route: columns.parsed(RouteName::parse)?,
        destination: columns.parsed(DestinationName::recorded)?,
        target: columns.value()?,
        effect: columns
            .parsed_if_any(str::parse)?
            .map_or(Effect::Put, |of| Effect::Remove { of }),
        state: state(columns)?,
        attempts: columns.value()?,
        possible_duplicate: columns.value()?,
        fence: columns.value()?,
        last_error: columns.value()?,
        revision: RevisionNumber(columns.value()?),
        arrived_at: columns.time()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

pub(super) fn state(columns: &mut Columns<'_>) -> Sql<DeliveryState> {
    let word: String = columns.value()?;
    let ready_at = columns.time_if_any()?;
    let node = columns.parsed_if_any(NodeName::parse)?;
    match (word.as_str(), ready_at, node) {
        ("waiting", Some(ready_at), None) => Ok(DeliveryState::Waiting { ready_at }),
        ("running", None, Some(node)) => Ok(DeliveryState::Running { node }),
        ("delivered", None, None) => Ok(DeliveryState::Delivered),
        ("dead", None, None) => Ok(DeliveryState::Dead),
        ("superseded", None, None) => Ok(DeliveryState::Superseded),
        ("cancelled", None, None) => Ok(DeliveryState::Cancelled),
        ("purged", None, None) => Ok(DeliveryState::Purged),
        (_, _, _) => Err(Error::new(
            Kind::Bug,
            "the ledger holds a state that this program does not know",
        )
        .with("state", word)
        .into()),
    }
}

/// Newest first; only those in one of `states`, if it is given.
pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    states: Option<&[&str]>,
) -> Sql<Vec<Delivery>> {
    let mut conditions = vec!["TRUE"];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut also = |condition, value| {
        conditions.push(condition);
        values.push(value);
    };
    if let Some(id) = filter.id {
        also("d.id = ?", Box::new(id.to_string()));
    }
    if let Some(state) = filter.state {
        also("d.state = ?", Box::new(state));
    }
    if let Some(states) = states {
        let states = serde_json::to_string(states)
            .map_err(|e| Error::new(Kind::Bug, "the server made a mistake").source(e))?;
        also(
            "d.state IN (SELECT value FROM json_each(?))",
            Box::new(states),
        );
    }
    if let Some(route) = &filter.route {
        also("d.route = ?", Box::new(route.as_str().to_owned()));
    }
    if let Some(destination) = &filter.destination {
        also(
            "d.destination = ?",
            Box::new(destination.as_str().to_owned()),
        );
    }
    if let Some(since) = filter.since {
        also("d.created_at >= ?", Box::new(micros(since)));
    }
    if let Some(until) = filter.until {
        also("d.created_at < ?", Box::new(micros(until)));
    }
    if let Some(since) = filter.unchanged_since {
        also("d.updated_at < ?", Box::new(micros(since)));
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

fn counts(connection: &Connection) -> Sql<Vec<(DeliveryState, u64)>> {
    connection.all(COUNTS, [], |columns| Ok((state(columns)?, columns.size()?)))
}

#[async_trait]
impl Deliveries for SqliteLedger {
    async fn waiting_at(
        &self,
        now: Timestamp,
        after: Option<&DestinationName>,
        limit: u32,
    ) -> Result<Vec<DestinationName>> {
        // No name is as early as none.
        let after = after.map_or("", DestinationName::as_str).to_owned();
        self.read("list destinations that are waited for", move |c| {
            line::waiting_at(c, now, &after, limit)
        })
        .await
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>> {
        let node = self.node.clone();
        self.write("claim deliveries", move |c| {
            let claimed = line::claim(c, &claim, &node)?;
            by_number(c, &claimed)
        })
        .await
    }

    async fn interrupted(&self, held: &[DeliveryId], now: Timestamp) -> Result<Vec<Delivery>> {
        const LOOK: &str = "look for interrupted deliveries";
        let held = attempts::listed(held).map_err(|fault| fault.into_error(LOOK))?;
        let first = held.clone();
        let look = self.read(LOOK, move |c| c.holds(attempts::HAS_INTERRUPTED, [first]));
        if !look.await? {
            return Ok(Vec::new());
        }
        let node = self.node.clone();
        self.write("take over deliveries", move |c| {
            attempts::take_over(c, &held, &node, now)
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
            attempts::finish(c, &delivery, &transition, alert.as_ref(), at)
        })
        .await
    }

    async fn retarget(&self, delivery: &Delivery, target: &str, at: Timestamp) -> Result<bool> {
        let (delivery, target) = (delivery.clone(), target.to_owned());
        self.write("change the name of a delivery", move |c| {
            attempts::retarget(c, &delivery, &target, at)
        })
        .await
    }

    async fn copies(&self, removal: &Delivery) -> Result<Vec<Delivery>> {
        let removal = removal.clone();
        self.read("list what was delivered to a name", move |c| {
            departures::copies(c, &removal)
        })
        .await
    }

    async fn is_held(&self, delivery: &Delivery) -> Result<bool> {
        let delivery = delivery.clone();
        self.read("ask whether a delivery is held", move |c| {
            overtaking::is_held(c, &delivery)
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

    async fn clock_set_back(&self, now: Timestamp) -> Result<u32> {
        const LOOK: &str = "look for deliveries of a clock that was set back";
        let look = self.read(LOOK, move |c| c.holds(line::HAS_AHEAD, [micros(now)]));
        if !look.await? {
            return Ok(0);
        }
        self.write(
            "let deliveries follow a clock that was set back",
            move |c| line::set_back(c, now),
        )
        .await
    }

    async fn next_ready(&self) -> Result<Option<Timestamp>> {
        self.read("look for the next delivery", line::next_ready)
            .await
    }

    async fn finished(&self, limit: u32) -> Result<Vec<Finished>> {
        self.read("list finished objects", move |c| {
            finished::finished(c, limit)
        })
        .await
    }

    async fn tidied(&self, delivery: DeliveryId, note: &str, at: Timestamp) -> Result<()> {
        let note = note.to_owned();
        self.write("record what was done to an object", move |c| {
            finished::tidied(c, delivery, &note, at)
        })
        .await
    }

    async fn oldest_open(&self) -> Result<Option<Delivery>> {
        self.read("look for the oldest delivery", |c| {
            c.first(OLDEST_OPEN, [], delivery)
        })
        .await
    }

    async fn oldest_waiting(&self, route: &RouteName, limit: u32) -> Result<Vec<Delivery>> {
        let route = route.as_str().to_owned();
        self.read("look for deliveries that grow old", move |c| {
            c.all(OLDEST_WAITING, (route, limit), delivery)
        })
        .await
    }

    async fn expire(
        &self,
        delivery: &Delivery,
        note: String,
        alert: NewAlert,
        at: Timestamp,
    ) -> Result<()> {
        let delivery = delivery.clone();
        self.write("give up a delivery that is too old", move |c| {
            dead_letters::expire(c, &delivery, &note, &alert, at)
        })
        .await
    }

    async fn cancel(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write("cancel deliveries", move |c| {
            dead_letters::cancel(c, &filter, &audit, at)
        })
        .await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        self.read("list deliveries", move |c| list(c, &filter, None))
            .await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        self.read("list attempts", move |c| attempts::list(c, id))
            .await
    }

    async fn redrive(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write("redrive deliveries", move |c| {
            dead_letters::redrive(c, &filter, &audit, at)
        })
        .await
    }

    async fn purge(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        self.write("purge dead letters", move |c| {
            dead_letters::purge(c, &filter, &audit, notice.as_ref(), at)
        })
        .await
    }

    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>> {
        self.read("count deliveries", counts).await
    }
}
