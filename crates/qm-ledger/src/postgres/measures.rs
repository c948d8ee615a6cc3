//! What alarms and metrics count.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::Result;
use qm_core::alarm::Metric;
use qm_core::id::DestinationName;
use qm_core::ports::ledger::{Measures, StateCount, TableCounts};

use super::PostgresLedger;
use super::connection::Connection;
use super::fault::Sql;
use super::loads::counts;
use super::statements::{Columns, micros};

const ATTEMPTS: &str = "SELECT count(*) FROM (SELECT 1 FROM attempts
     WHERE destination = $1 AND began_at > $2 LIMIT $3) AS counted";

const FAILURES: &str = "SELECT count(*) FROM (SELECT 1 FROM attempts
     WHERE destination = $1 AND ended_at > $2 AND is_failed LIMIT $3) AS counted";

const HELD_BACK: &str = "SELECT count(*) FROM (SELECT 1 FROM attempts
     WHERE destination = $1 AND began_at > $2 AND is_held_back LIMIT $3) AS counted";

/// Microseconds for a row are milliseconds for a thousand.
const DURATION: &str = "SELECT
     coalesce(trunc(sum(took) / sum(greatest(rows_read, 1000))), 0)::bigint FROM (
         SELECT took, rows_read FROM loads
         WHERE destination = $1 AND ended_at > $2 AND took IS NOT NULL
         ORDER BY ended_at DESC LIMIT $3) AS measured";

/// What ran when one began, and what runs now, which may have begun earlier.
const RUNNING: &str = "SELECT least($3, greatest(
     (SELECT max(at_once) FROM attempts WHERE destination = $1 AND began_at > $2),
     (SELECT count(*) FROM deliveries WHERE destination = $1 AND state = 'running')))";

async fn measure(connection: &Connection, to: &str, metric: Metric, since: Timestamp) -> Sql<u64> {
    let sql = match metric {
        Metric::Attempts => ATTEMPTS,
        Metric::Failures => FAILURES,
        Metric::HeldBack => HELD_BACK,
        Metric::Duration => DURATION,
        Metric::Running => RUNNING,
    };
    let found = connection
        .first(
            sql,
            &[&to, &micros(since), &i64::from(Metric::COUNTED_MAX)],
            |columns: &mut Columns<'_>| columns.number(),
        )
        .await?;
    Ok(found.unwrap_or_default())
}

#[async_trait]
impl Measures for PostgresLedger {
    async fn measure(
        &self,
        destination: &DestinationName,
        metric: Metric,
        since: Timestamp,
    ) -> Result<u64> {
        let data = (destination.as_str(), metric, since);
        self.read("measure a destination", data, |c, (to, metric, since)| {
            Box::pin(async move { measure(c, to, *metric, *since).await })
        })
        .await
    }

    async fn delivery_counts(&self) -> Result<Vec<StateCount>> {
        self.read("count deliveries by destination", (), |c, ()| {
            Box::pin(async move {
                c.all(
                    "SELECT destination, state, count(*) FROM deliveries
                     GROUP BY destination, state ORDER BY destination, state COLLATE \"C\"",
                    &[],
                    |columns| {
                        Ok(StateCount {
                            destination: columns.parsed(DestinationName::recorded)?,
                            state: columns.value()?,
                            count: columns.number()?,
                        })
                    },
                )
                .await
            })
        })
        .await
    }

    async fn load_counts(&self) -> Result<Vec<TableCounts>> {
        self.read("count rows by destination", (), |c, ()| {
            Box::pin(async move {
                c.all(
                    "SELECT destination, count(*), sum(rows_read)::bigint, sum(inserted)::bigint,
                         sum(updated)::bigint, sum(unchanged)::bigint, sum(rejected)::bigint,
                         sum(superseded)::bigint
                     FROM loads WHERE ended_at IS NOT NULL
                     GROUP BY destination ORDER BY destination",
                    &[],
                    |columns| {
                        Ok(TableCounts {
                            destination: columns.parsed(DestinationName::recorded)?,
                            loads: columns.number()?,
                            counts: counts(columns)?,
                        })
                    },
                )
                .await
            })
        })
        .await
    }
}
