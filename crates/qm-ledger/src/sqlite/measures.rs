//! What alarms and metrics count.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::Result;
use qm_core::alarm::Metric;
use qm_core::id::DestinationName;
use qm_core::ports::ledger::{Measures, StateCount, TableCounts};
use rusqlite::Connection;

use super::SqliteLedger;
use super::fault::Sql;
use super::loads::counts;
use super::statements::{Statements as _, micros};

pub(super) const ATTEMPTS: &str = "SELECT count(*) FROM (
     SELECT 1 FROM attempts INDEXED BY attempts_begun
     WHERE destination = ?1 AND began_at > ?2 LIMIT ?3)";

pub(super) const FAILURES: &str = "SELECT count(*) FROM (
     SELECT 1 FROM attempts INDEXED BY attempts_failed
     WHERE destination = ?1 AND ended_at > ?2 AND is_failed = 1 LIMIT ?3)";

pub(super) const HELD_BACK: &str = "SELECT count(*) FROM (
     SELECT 1 FROM attempts INDEXED BY attempts_held_back
     WHERE destination = ?1 AND began_at > ?2 AND is_held_back = 1 LIMIT ?3)";

/// Microseconds for a row are milliseconds for a thousand.
pub(super) const DURATION: &str = "SELECT coalesce(sum(took) / sum(max(rows_read, 1000)), 0) FROM (
     SELECT took, rows_read FROM loads INDEXED BY loads_ended
     WHERE destination = ?1 AND ended_at > ?2 AND took IS NOT NULL
     ORDER BY ended_at DESC LIMIT ?3)";

/// What ran when one began, and what runs now, which may have begun earlier.
pub(super) const RUNNING: &str = "SELECT min(?3, max(
     coalesce((SELECT max(at_once) FROM attempts INDEXED BY attempts_begun
         WHERE destination = ?1 AND began_at > ?2), 0),
     (SELECT count(*) FROM deliveries INDEXED BY deliveries_running
         WHERE destination = ?1 AND state = 'running')))";

fn measure(connection: &Connection, to: &str, metric: Metric, since: Timestamp) -> Sql<u64> {
    let sql = match metric {
        Metric::Attempts => ATTEMPTS,
        Metric::Failures => FAILURES,
        Metric::HeldBack => HELD_BACK,
        Metric::Duration => DURATION,
        Metric::Running => RUNNING,
    };
    let found = connection.first(sql, (to, micros(since), Metric::COUNTED_MAX), |columns| {
        columns.size()
    })?;
    Ok(found.unwrap_or_default())
}

#[async_trait]
impl Measures for SqliteLedger {
    async fn measure(
        &self,
        destination: &DestinationName,
        metric: Metric,
        since: Timestamp,
    ) -> Result<u64> {
        let to = destination.as_str().to_owned();
        self.read("measure a destination", move |c| {
            measure(c, &to, metric, since)
        })
        .await
    }

    async fn delivery_counts(&self) -> Result<Vec<StateCount>> {
        self.read("count deliveries by destination", |c| {
            c.all(
                "SELECT destination, state, count(*) FROM deliveries
                 GROUP BY destination, state ORDER BY destination, state",
                [],
                |columns| {
                    Ok(StateCount {
                        destination: columns.parsed(DestinationName::recorded)?,
                        state: columns.value()?,
                        count: columns.size()?,
                    })
                },
            )
        })
        .await
    }

    async fn load_counts(&self) -> Result<Vec<TableCounts>> {
        self.read("count rows by destination", |c| {
            c.all(
                "SELECT destination, count(*), sum(rows_read), sum(inserted), sum(updated),
                     sum(unchanged), sum(rejected), sum(superseded)
                 FROM loads WHERE ended_at IS NOT NULL GROUP BY destination ORDER BY destination",
                [],
                |columns| {
                    Ok(TableCounts {
                        destination: columns.parsed(DestinationName::recorded)?,
                        loads: columns.size()?,
                        counts: counts(columns)?,
                    })
                },
            )
        })
        .await
    }
}
