//! Deliveries. Which waiting one is claimed next is decided in [`line`].

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice};
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState, Effect, Finished, Transition};
use qm_core::id::{ArrivalSeq, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName};
use qm_core::ports::ledger::{Attempt, Claim, Deliveries, DeliveryFilter};
use qm_core::{Error, Kind, Result};

use super::connection::Connection;
use super::ends::End;
use super::fault::Sql;
use super::statements::{Columns, micros, only, stored_text, version_columns};
use super::{PostgresLedger, attempts, dead_letters, departures, finished, line, overtaking};

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.arrival, a.bucket, a.key, a.at, ",
            version_columns!(),
            ", d.route, d.destination, d.target, d.removes, d.state, d.ready_at, d.node, d.attempts,
             d.possible_duplicate, d.fence, d.last_error, d.revision, d.created_at, d.updated_at
             FROM deliveries d JOIN arrivals a ON a.seq = d.arrival
             JOIN versions v ON v.id = d.version ",
            $rest
        )
    };
}
pub(super) use select_deliveries;

pub(super) const BY_NUMBER: &str =
    select_deliveries!("WHERE d.number = ANY ($1) ORDER BY array_position($1, d.number)");

/// What a filter says; a parameter that is NULL says nothing.
macro_rules! filtered {
    ($index:literal) => {
        concat!(
            select_deliveries!("WHERE "),
            $index,
            " AND ($2::text IS NULL OR d.state = $2)
             AND ($3::text IS NULL OR d.route = $3)
             AND ($4::text IS NULL OR d.destination = $4)
             AND ($5::bigint IS NULL OR d.created_at >= $5)
             AND ($6::bigint IS NULL OR d.created_at < $6)
             AND ($7::text[] IS NULL OR d.state = ANY ($7))
             AND ($8::bigint IS NULL OR d.updated_at < $8)
             ORDER BY d.number DESC LIMIT $9"
        )
    };
}

const THE_ONE: &str = filtered!("d.id = $1");
const THE_DEAD: &str = filtered!("$1::text IS NULL AND d.state = 'dead'");
const ALL: &str = filtered!("$1::text IS NULL");

const OLDEST_OPEN: &str = select_deliveries!(
    "WHERE d.number = (SELECT min(number) FROM deliveries
         WHERE state IN ('waiting', 'running'))"
);

const OLDEST_WAITING: &str = select_deliveries!(
    "WHERE d.state = 'waiting' AND d.route = $1 ORDER BY d.arrival, d.number LIMIT $2"
);

const COUNTS: &str = "SELECT c.state,
         CASE c.state WHEN 'waiting' THEN coalesce(
             (SELECT min(ready_at) FROM lines WHERE NOT is_running),
             (SELECT min(ready_at) FROM deliveries WHERE state = 'waiting')) END,
         CASE c.state WHEN 'running' THEN
             (SELECT min(node) FROM deliveries WHERE state = 'running') END,
         c.count
     FROM (SELECT state, count(*) AS count FROM deliveries GROUP BY state) c ORDER BY c.state";

pub(super) fn delivery(columns: &mut Columns<'_>) -> Sql<Delivery> {
    let id = columns.parsed(str::parse)?;
    let arrival = ArrivalSeq(columns.value()?);
    let source = columns.path()?;
    let arrived_at = columns.time()?;
    Ok(Delivery {
        id,
        arrival,
        source,
        version: columns.version()?,
        route: columns.parsed(RouteName::parse)?,
        destination: columns.parsed(DestinationName::recorded)?,
        target: columns.value()?,
        effect: columns
            .parsed_if_any(str::parse)?
            .map_or(Effect::Put, |of| Effect::Remove { of }),
        state: state(columns)?,
        attempts: columns.number()?,
        possible_duplicate: columns.value()?,
        fence: columns.value()?,
        last_error: columns.value()?,
        revision: RevisionNumber(columns.value()?),
        arrived_at,
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

/// In the order of the numbers.
pub(super) async fn by_number(connection: &Connection, numbers: &[i64]) -> Sql<Vec<Delivery>> {
    connection.all(BY_NUMBER, &[&numbers], delivery).await
}

/// Newest first; only those in one of `states`, if it is given.
pub(super) async fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    states: Option<&[&str]>,
) -> Sql<Vec<Delivery>> {
    let is_of_dead = filter.state == Some("dead") || states == Some(&["dead"]);
    let sql = match filter.id {
        Some(_) => THE_ONE,
        None if is_of_dead => THE_DEAD,
        None => ALL,
    };
    let limit = match filter.limit {
        0 => None,
        limit => Some(i64::from(limit)),
    };
    connection
        .all(
            sql,
            &[
                &filter.id.map(|id| id.to_string()),
                &filter.state,
                &filter.route.as_ref().map(RouteName::as_str),
                &filter.destination.as_ref().map(DestinationName::as_str),
                &filter.since.map(micros),
                &filter.until.map(micros),
                &states,
                &filter.unchanged_since.map(micros),
                &limit,
            ],
            delivery,
        )
        .await
}

#[async_trait]
impl Deliveries for PostgresLedger {
    async fn waiting_at(
        &self,
        now: Timestamp,
        after: Option<&DestinationName>,
        limit: u32,
    ) -> Result<Vec<DestinationName>> {
        // No name is as early as none.
        let after = after.map_or("", DestinationName::as_str);
        let data = (now, after, limit);
        self.read("list destinations that are waited for", data, |c, data| {
            let (now, after, limit) = *data;
            Box::pin(async move { line::waiting_at(c, now, after, limit).await })
        })
        .await
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<Delivery>> {
        self.write_held("claim deliveries", claim, |c, claim| {
            Box::pin(line::claim(c, claim))
        })
        .await
    }

    async fn interrupted(&self, held: &[DeliveryId], now: Timestamp) -> Result<Vec<Delivery>> {
        const LOOK: &str = "look for interrupted deliveries";
        let held: Vec<String> = held.iter().map(DeliveryId::to_string).collect();
        let holder = self.lease.holder(&self.pool).await;
        let holder = holder.map_err(|fault| fault.into_error(LOOK))?;
        let look = self.read(LOOK, (&holder, &held), |c, (holder, held)| {
            Box::pin(
                async move { attempts::has_interrupted(c, &holder.node, holder.epoch, held).await },
            )
        });
        if !look.await? {
            return Ok(Vec::new());
        }
        self.write_held("take over deliveries", (held, now), |c, (held, now)| {
            Box::pin(attempts::take_over(c, held, *now))
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
        let end = End {
            delivery: delivery.clone(),
            transition,
            at,
        };
        self.finisher.finish(end, alert).await
    }

    async fn retarget(&self, delivery: &Delivery, target: &str, at: Timestamp) -> Result<bool> {
        let data = (delivery.clone(), stored_text(target).into_owned(), at);
        self.write_held(
            "change the name of a delivery",
            data,
            |c, (delivery, target, at)| Box::pin(attempts::retarget(c, delivery, target, *at)),
        )
        .await
    }

    async fn copies(&self, removal: &Delivery) -> Result<Vec<Delivery>> {
        self.read(
            "list what was delivered to a name",
            removal,
            |c, removal| Box::pin(async move { departures::copies(c, removal).await }),
        )
        .await
    }

    async fn is_held(&self, delivery: &Delivery) -> Result<bool> {
        const ASK: &str = "ask whether a delivery is held";
        let holder = self.lease.holder(&self.pool).await;
        let holder = holder.map_err(|fault| fault.into_error(ASK))?;
        self.read(ASK, (delivery, holder), |c, (delivery, holder)| {
            Box::pin(
                async move { overtaking::is_held(c, delivery, &holder.node, holder.epoch).await },
            )
        })
        .await
    }

    async fn is_latest(&self, delivery: &Delivery) -> Result<bool> {
        const ASK: &str = "ask whether a delivery is the latest";
        let holder = self.lease.holder(&self.pool).await;
        let holder = holder.map_err(|fault| fault.into_error(ASK))?;
        self.read(ASK, (delivery, holder), |c, (delivery, holder)| {
            Box::pin(
                async move { overtaking::is_latest(c, delivery, &holder.node, holder.epoch).await },
            )
        })
        .await
    }

    async fn supersede(&self, routes: &[RouteName], at: Timestamp) -> Result<u32> {
        let routes = overtaking::listed(routes);
        let lines = self
            .read("look for overtaken deliveries", &routes, |c, routes| {
                Box::pin(async move { overtaking::lines_to_supersede(c, routes).await })
            })
            .await?;
        if lines.is_empty() {
            return Ok(0);
        }
        let data = (lines, routes, at);
        self.write("supersede deliveries", data, |c, (lines, routes, at)| {
            Box::pin(overtaking::supersede(c, lines, routes, *at))
        })
        .await
    }

    async fn clock_set_back(&self, now: Timestamp) -> Result<u32> {
        let lines = self
            .read(
                "look for deliveries of a clock that was set back",
                now,
                |c, now| Box::pin(async move { line::ahead(c, *now).await }),
            )
            .await?;
        if lines.is_empty() {
            return Ok(0);
        }
        self.write(
            "let deliveries follow a clock that was set back",
            (lines, now),
            |c, (lines, now)| Box::pin(line::set_back(c, lines, *now)),
        )
        .await
    }

    async fn next_ready(&self) -> Result<Option<Timestamp>> {
        let next = self
            .read("look for the next delivery", (), |c, ()| {
                Box::pin(async move { c.first(line::NEXT_READY, &[], only::time_if_any).await })
            })
            .await?;
        Ok(next.flatten())
    }

    async fn finished(&self, limit: u32) -> Result<Vec<Finished>> {
        self.read("list finished objects", limit, |c, limit| {
            Box::pin(async move { finished::finished(c, *limit).await })
        })
        .await
    }

    async fn tidied(&self, delivery: DeliveryId, note: &str, at: Timestamp) -> Result<()> {
        let data = (delivery, note.to_owned(), at);
        self.write(
            "record what was done to an object",
            data,
            |c, (delivery, note, at)| Box::pin(finished::tidied(c, *delivery, note, *at)),
        )
        .await
    }

    async fn oldest_open(&self) -> Result<Option<Delivery>> {
        self.read("look for the oldest delivery", (), |c, ()| {
            Box::pin(async move { c.first(OLDEST_OPEN, &[], delivery).await })
        })
        .await
    }

    async fn oldest_waiting(&self, route: &RouteName, limit: u32) -> Result<Vec<Delivery>> {
        let data = (route.as_str(), i64::from(limit));
        self.read("look for deliveries that grow old", data, |c, data| {
            Box::pin(async move { c.all(OLDEST_WAITING, &[&data.0, &data.1], delivery).await })
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
        let data = (delivery.clone(), note, alert, at);
        self.write(
            "give up a delivery that is too old",
            data,
            |c, (delivery, note, alert, at)| {
                Box::pin(dead_letters::expire(c, delivery, note, alert, *at))
            },
        )
        .await
    }

    async fn cancel(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        let data = (filter, audit, at);
        self.write("cancel deliveries", data, |c, (filter, audit, at)| {
            Box::pin(dead_letters::cancel(c, filter, audit, *at))
        })
        .await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>> {
        self.read("list deliveries", filter, |c, filter| {
            Box::pin(async move { list(c, filter, None).await })
        })
        .await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<Attempt>> {
        self.read("list attempts", id, |c, id| {
            Box::pin(async move { attempts::list(c, *id).await })
        })
        .await
    }

    async fn redrive(
        &self,
        filter: DeliveryFilter,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<Vec<DeliveryId>> {
        let data = (filter, audit, at);
        self.write("redrive deliveries", data, |c, (filter, audit, at)| {
            Box::pin(dead_letters::redrive(c, filter, audit, *at))
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
        let data = (filter, audit, notice, at);
        self.write(
            "purge dead letters",
            data,
            |c, (filter, audit, notice, at)| {
                Box::pin(dead_letters::purge(c, filter, audit, notice.as_ref(), *at))
            },
        )
        .await
    }

    async fn counts(&self) -> Result<Vec<(DeliveryState, u64)>> {
        self.read("count deliveries", (), |c, ()| {
            Box::pin(async move {
                c.all(COUNTS, &[], |columns| {
                    Ok((state(columns)?, columns.number()?))
                })
                .await
            })
        })
        .await
    }
}
