//! Loads: what became of the rows of files that went into tables.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::id::{BucketName, DeliveryId, DestinationName, RouteName};
use qm_core::load::{Counts, Load};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::ledger::{LoadFilter, LoadProgress, LoadState, Loads, RecordedLoad};
use qm_core::{Error, Kind, Result};
use std::time::Duration;

use super::attempts::lost;
use super::connection::Connection;
use super::deliveries::state;
use super::fault::Sql;
use super::job::{Manner, Needs, Wakes};
use super::lease::lease_goes_on;
use super::statements::{Columns, micros, only, stored_size, stored_text};
use super::{PostgresLedger, audit};

macro_rules! select_loads {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, a.bucket, a.key, d.route, l.destination, l.engine, l.table_name,
             l.rows_read, l.inserted, l.updated, l.unchanged, l.rejected, l.superseded,
             d.state, d.ready_at, d.node, l.ended_at, l.undone_at, l.rejects_bucket,
             l.rejects_key, l.began_at, l.told_at
             FROM loads l JOIN deliveries d ON d.number = l.delivery
             JOIN arrivals a ON a.seq = d.arrival ",
            $rest
        )
    };
}

/// Whatever is told again, its first attempt began when it began.
const RECORD: &str = "INSERT INTO loads (delivery, destination, engine, table_name, rows_read,
         inserted, updated, unchanged, rejected, superseded, rejects_bucket, rejects_key,
         began_at, told_at, ended_at, took)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
         coalesce((SELECT began_at FROM attempts WHERE delivery = $1
             ORDER BY number DESC LIMIT 1), $13), $13, $14, $15)
     ON CONFLICT (delivery) DO UPDATE SET engine = excluded.engine,
         table_name = excluded.table_name, rows_read = excluded.rows_read,
         inserted = excluded.inserted, updated = excluded.updated,
         unchanged = excluded.unchanged, rejected = excluded.rejected,
         superseded = excluded.superseded, rejects_bucket = excluded.rejects_bucket,
         rejects_key = excluded.rejects_key, told_at = excluded.told_at,
         ended_at = excluded.ended_at, took = excluded.took";

/// How a load ended.
#[derive(Clone, Copy, Default)]
struct End<'a> {
    at: Option<Timestamp>,
    took: Option<Duration>,
    rejects: Option<&'a ObjectPath>,
}

/// Of the delivery of that number.
pub(super) async fn end(
    connection: &Connection,
    number: i64,
    delivery: &Delivery,
    load: &Load,
    took: Option<Duration>,
    at: Timestamp,
) -> Sql<()> {
    let so_far = LoadProgress {
        engine: load.engine.to_owned(),
        table: load.table.clone(),
        counts: load.counts,
    };
    let end = End {
        at: Some(at),
        took,
        rejects: load.rejects.as_ref(),
    };
    record(connection, number, delivery, &so_far, end, at).await
}

async fn record(
    connection: &Connection,
    number: i64,
    delivery: &Delivery,
    so_far: &LoadProgress,
    end: End<'_>,
    at: Timestamp,
) -> Sql<()> {
    let counts = so_far.counts;
    let took = end.took.map(|took| i64::try_from(took.as_micros()));
    connection
        .run(
            RECORD,
            &[
                &number,
                &delivery.destination.as_str(),
                &so_far.engine,
                &stored_text(&so_far.table),
                &stored_size(counts.read)?,
                &stored_size(counts.inserted)?,
                &stored_size(counts.updated)?,
                &stored_size(counts.unchanged)?,
                &stored_size(counts.rejected)?,
                &stored_size(counts.superseded)?,
                &end.rejects.map(|path| path.bucket.as_str()),
                &end.rejects.map(|path| path.key.as_str()),
                &micros(at),
                &end.at.map(micros),
                &took.map(|took| took.unwrap_or(i64::MAX)),
            ],
        )
        .await?;
    Ok(())
}

/// Of this run under its lease; the lock keeps whoever would take it over until it is recorded.
const RUNS: &str = concat!(
    "SELECT number FROM deliveries WHERE id = $1 AND fence = $2 AND state = 'running'
         AND node = $3 AND epoch = $4 AND ",
    lease_goes_on!("$3", "$4"),
    " FOR UPDATE"
);

async fn progress(
    connection: &Connection,
    delivery: &Delivery,
    so_far: &LoadProgress,
    at: Timestamp,
) -> Sql<()> {
    let holder = connection.holder()?;
    let id = delivery.id.to_string();
    let number = connection
        .first(
            RUNS,
            &[&id, &delivery.fence, &holder.node, &holder.epoch],
            only::value::<i64>,
        )
        .await?;
    let Some(number) = number else {
        return Err(lost(connection, delivery).await?.into());
    };
    record(connection, number, delivery, so_far, End::default(), at).await
}

const OF_DELIVERY: &str =
    select_loads!("WHERE l.delivery = (SELECT number FROM deliveries WHERE id = $1)");

const OF_DESTINATION: &str =
    select_loads!("WHERE l.destination = $1 ORDER BY l.delivery DESC LIMIT $2");

async fn list(connection: &Connection, filter: &LoadFilter) -> Sql<Vec<RecordedLoad>> {
    let limit = match filter.limit {
        0 => None,
        limit => Some(i64::from(limit)),
    };
    let mut found = match (filter.delivery, &filter.destination) {
        (Some(id), _) => {
            connection
                .all(OF_DELIVERY, &[&id.to_string()], load)
                .await?
        }
        (None, Some(to)) => {
            connection
                .all(OF_DESTINATION, &[&to.as_str(), &limit], load)
                .await?
        }
        (None, None) => {
            let all = select_loads!("ORDER BY l.delivery DESC LIMIT $1");
            connection.all(all, &[&limit], load).await?
        }
    };
    if let Some(to) = &filter.destination {
        found.retain(|load| load.destination == *to);
    }
    Ok(found)
}

fn load(columns: &mut Columns<'_>) -> Sql<RecordedLoad> {
    let delivery = columns.parsed(str::parse)?;
    let source = columns.path()?;
    let route = columns.parsed(RouteName::parse)?;
    let destination = columns.parsed(DestinationName::recorded)?;
    let (engine, table) = (columns.value()?, columns.value()?);
    let counts = counts(columns)?;
    let stands = state(columns)?;
    let ended_at = columns.time_if_any()?;
    let is_undone = columns.time_if_any()?.is_some();
    let bucket = columns.parsed_if_any(BucketName::parse)?;
    let key = columns.parsed_if_any(ObjectKey::parse)?;
    Ok(RecordedLoad {
        delivery,
        source,
        route,
        destination,
        engine,
        table,
        state: LoadState::of(&stands, counts, ended_at.is_some(), is_undone),
        counts,
        rejects: bucket
            .zip(key)
            .map(|(bucket, key)| ObjectPath { bucket, key }),
        began_at: columns.time()?,
        told_at: columns.time()?,
        ended_at,
    })
}

/// Six columns in a row.
pub(super) fn counts(columns: &mut Columns<'_>) -> Sql<Counts> {
    Ok(Counts {
        read: columns.number()?,
        inserted: columns.number()?,
        updated: columns.number()?,
        unchanged: columns.number()?,
        rejected: columns.number()?,
        superseded: columns.number()?,
    })
}

async fn undone(
    connection: &Connection,
    delivery: DeliveryId,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<bool> {
    let id = delivery.to_string();
    let changed = connection
        .run(
            "UPDATE loads SET undone_at = $2 WHERE ended_at IS NOT NULL AND undone_at IS NULL
                 AND delivery = (SELECT number FROM deliveries WHERE id = $1)",
            &[&id, &micros(at)],
        )
        .await?;
    if changed == 0 {
        let is_there = connection
            .holds(
                "SELECT EXISTS (SELECT 1 FROM loads
                     WHERE delivery = (SELECT number FROM deliveries WHERE id = $1))",
                &[&id],
            )
            .await?;
        if !is_there {
            let error = Error::new(Kind::NotFound, "no such load");
            return Err(error.with("delivery", delivery).into());
        }
        return Ok(false);
    }
    audit::append(connection, record).await?;
    Ok(true)
}

#[async_trait]
impl Loads for PostgresLedger {
    async fn load_progress(
        &self,
        delivery: &Delivery,
        so_far: LoadProgress,
        at: Timestamp,
    ) -> Result<()> {
        // Nobody's work: it is looked at, no more.
        let manner = Manner {
            wakes: Wakes::Nobody,
            needs: Needs::Lease,
        };
        let data = (delivery.clone(), so_far, at);
        self.enqueue(
            manner,
            "record how far a load is",
            data,
            |c, (delivery, so_far, at)| Box::pin(progress(c, delivery, so_far, *at)),
        )
        .await
    }

    async fn loads(&self, filter: LoadFilter) -> Result<Vec<RecordedLoad>> {
        self.read("list loads", filter, |c, filter| {
            Box::pin(async move { list(c, filter).await })
        })
        .await
    }

    async fn load_undone(
        &self,
        delivery: DeliveryId,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<bool> {
        let data = (delivery, audit, at);
        self.write(
            "record that a load was undone",
            data,
            |c, (delivery, audit, at)| Box::pin(undone(c, *delivery, audit, *at)),
        )
        .await
    }
}
