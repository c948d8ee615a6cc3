//! What the node tells about itself. There is one, which locks its data folder: its lease is never
//! over.

use async_trait::async_trait;
use qm_core::id::NodeName;
use qm_core::ports::ledger::{NodeReport, Nodes};
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::SqliteLedger;
use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros};

fn replace(connection: &Connection, report: &NodeReport) -> Sql<()> {
    let fingerprints = serde_json::to_string(&report.fingerprints)
        .map_err(|e| Error::new(Kind::Bug, "the server made a mistake").source(e))?;
    connection.run(
        "INSERT OR REPLACE INTO nodes
             (id, node, sftp_address, fingerprints, process, version, started_at, alive_at)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            report.node.as_str(),
            report.sftp_address.to_string(),
            fingerprints,
            report.process,
            &report.version,
            micros(report.started_at),
            report.alive_at.map(micros),
        ),
    )?;
    Ok(())
}

fn all(connection: &Connection) -> Sql<Vec<NodeReport>> {
    connection.all(
        "SELECT node, sftp_address, fingerprints, process, version, started_at, alive_at
         FROM nodes",
        [],
        report,
    )
}

fn report(columns: &mut Columns<'_>) -> Sql<NodeReport> {
    Ok(NodeReport {
        node: columns.parsed(NodeName::parse)?,
        sftp_address: columns.parsed(str::parse)?,
        fingerprints: columns.parsed(|json| serde_json::from_str(json))?,
        process: columns.value()?,
        version: columns.value()?,
        started_at: columns.time()?,
        alive_at: columns.time_if_any()?,
    })
}

#[async_trait]
impl Nodes for SqliteLedger {
    async fn report(&self, report: NodeReport) -> Result<()> {
        self.write("report the node", move |c| replace(c, &report))
            .await
    }

    async fn nodes(&self) -> Result<Vec<NodeReport>> {
        self.read("look up the node", all).await
    }
}
