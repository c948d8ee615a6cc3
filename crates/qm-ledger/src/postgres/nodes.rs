//! What nodes tell about themselves, and the leases that they renew with it.

use async_trait::async_trait;
use qm_core::id::NodeName;
use qm_core::ports::ledger::{NodeReport, Nodes};
use qm_core::{Error, Kind, Result};

use super::PostgresLedger;
use super::connection::Connection;
use super::fault::{Sql, lease_is_over};
use super::lease;
use super::statements::{Columns, micros, only};

/// Renews the lease if it goes on, and gives it up with the last report.
const RENEW: &str = "UPDATE nodes SET alive_until = clock_timestamp()
         + CASE WHEN $4::bigint IS NULL THEN 0 ELSE $3::float8 END * interval '1 second'
     WHERE name = $1 AND epoch = $2 AND alive_until > clock_timestamp() RETURNING epoch";

const TELL: &str = "UPDATE nodes SET sftp_address = $2, fingerprints = $3, process = $4,
         version = $5, started_at = $6, alive_at = $7
     WHERE name = $1";

/// The epoch of the lease from now on: another than before if that was over.
async fn report(connection: &Connection, report: &NodeReport, seconds: f64) -> Sql<i64> {
    let holder = connection.holder()?;
    if report.node.as_str() != holder.node {
        let error = Error::new(Kind::Bug, "a node reports under another's name");
        return Err(error.with("node", &report.node).into());
    }
    let alive_at = report.alive_at.map(micros);
    let renewed = connection
        .first(
            RENEW,
            &[&holder.node, &holder.epoch, &seconds, &alive_at],
            only::value::<i64>,
        )
        .await?;
    let epoch = match renewed {
        Some(epoch) => epoch,
        // The last report begins nothing.
        None if alive_at.is_none() => holder.epoch,
        None => lease::begin(connection, &holder.node, seconds).await?,
    };
    connection
        .run(
            TELL,
            &[
                &holder.node,
                &report.sftp_address.to_string(),
                &report.fingerprints,
                &i64::from(report.process),
                &report.version,
                &micros(report.started_at),
                &alive_at,
            ],
        )
        .await?;
    Ok(epoch)
}

fn row(columns: &mut Columns<'_>) -> Sql<NodeReport> {
    Ok(NodeReport {
        node: columns.parsed(NodeName::parse)?,
        sftp_address: columns.parsed(str::parse)?,
        fingerprints: columns.value()?,
        process: columns.number()?,
        version: columns.value()?,
        started_at: columns.time()?,
        alive_at: columns.time_if_any()?,
    })
}

#[async_trait]
impl Nodes for PostgresLedger {
    async fn report(&self, told: NodeReport) -> Result<()> {
        const REPORT: &str = "report the node";
        let holder = self.lease.holder(&self.pool).await;
        let before = holder.map_err(|fault| fault.into_error(REPORT))?.epoch;
        let is_last = told.alive_at.is_none();
        let data = (told, self.lease.seconds());
        let epoch = self
            .write_held(REPORT, data, |c, (told, seconds)| {
                Box::pin(report(c, told, *seconds))
            })
            .await?;
        self.lease.changed((!is_last).then_some(epoch)).await;
        if epoch != before {
            return Err(lease_is_over().during(REPORT));
        }
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>> {
        self.read("list nodes", (), |c, ()| {
            Box::pin(async move {
                c.all(
                "SELECT name, sftp_address, fingerprints, process, version, started_at, alive_at
                 FROM nodes WHERE sftp_address IS NOT NULL ORDER BY name",
                &[],
                row,
            )
            .await
            })
        })
        .await
    }
}
