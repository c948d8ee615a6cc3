//! Revisions of the configuration.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::id::{NodeName, RevisionNumber};
use qm_core::ports::ledger::{Revision, Revisions, TakenUp};
use qm_core::{Error, Kind, Result};

use super::connection::Connection;
use super::fault::Sql;
use super::statements::{Columns, micros, stored_text};
use super::{PostgresLedger, audit};

const NEWEST: &str = "SELECT number, config, at FROM revisions ORDER BY number DESC LIMIT 1";
const IN_FORCE: &str = "SELECT number, config, at FROM revisions
     WHERE NOT EXISTS (SELECT 1 FROM revision_nodes WHERE revision = number)
        OR EXISTS (SELECT 1 FROM revision_nodes WHERE revision = number AND rejected IS NULL)
     ORDER BY number DESC LIMIT 1";

async fn newest(connection: &Connection) -> Sql<Option<Revision>> {
    one(connection, NEWEST).await
}

async fn in_force(connection: &Connection) -> Sql<Option<Revision>> {
    one(connection, IN_FORCE).await
}

async fn one(connection: &Connection, sql: &'static str) -> Sql<Option<Revision>> {
    let found = connection
        .first(sql, &[], |columns| {
            Ok(Revision {
                number: RevisionNumber(columns.value()?),
                config: columns.value()?,
                at: columns.time()?,
                taken_up: Vec::new(),
            })
        })
        .await?;
    let Some(mut revision) = found else {
        return Ok(None);
    };
    revision.taken_up = connection
        .all(
            "SELECT node, at, rejected FROM revision_nodes WHERE revision = $1 ORDER BY node",
            &[&revision.number.0],
            said,
        )
        .await?;
    Ok(Some(revision))
}

async fn apply(
    connection: &Connection,
    config: &str,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Revision> {
    // Whoever applies at the same time waits, and then sees this one.
    connection
        .run("LOCK TABLE revisions IN SHARE ROW EXCLUSIVE MODE", &[])
        .await?;
    let newest = newest(connection).await?;
    if let Some(same) = newest.filter(|newest| newest.config == config) {
        return Ok(same);
    }
    let number = connection
        .one(
            "INSERT INTO revisions (number, config, at)
             SELECT coalesce(max(number), 0) + 1, $1, $2 FROM revisions RETURNING number",
            &[&config, &micros(at)],
        )
        .await?;
    audit::append(connection, record).await?;
    Ok(Revision {
        number: RevisionNumber(number),
        config: config.to_owned(),
        at,
        taken_up: Vec::new(),
    })
}

async fn taken_up(
    connection: &Connection,
    node: &NodeName,
    number: RevisionNumber,
    rejected: Option<&str>,
    at: Timestamp,
) -> Sql<()> {
    let said = connection
        .run(
            "INSERT INTO revision_nodes (revision, node, at, rejected)
             SELECT number, $2, $3, $4 FROM revisions WHERE number = $1
             ON CONFLICT (revision, node) DO UPDATE SET at = excluded.at,
                 rejected = excluded.rejected",
            &[
                &number.0,
                &node.as_str(),
                &micros(at),
                &rejected.map(stored_text),
            ],
        )
        .await?;
    if said == 0 {
        return Err(Error::new(Kind::NotFound, "no such revision")
            .with("revision", number)
            .into());
    }
    Ok(())
}

fn said(columns: &mut Columns<'_>) -> Sql<TakenUp> {
    Ok(TakenUp {
        node: columns.parsed(NodeName::parse)?,
        at: columns.time()?,
        rejected: columns.value()?,
    })
}

#[async_trait]
impl Revisions for PostgresLedger {
    async fn revision(&self) -> Result<Option<Revision>> {
        self.read("look up the revision", (), |c, ()| Box::pin(newest(c)))
            .await
    }

    async fn in_force(&self) -> Result<Option<Revision>> {
        self.read("look up the revision in force", (), |c, ()| {
            Box::pin(in_force(c))
        })
        .await
    }

    async fn apply(&self, config: String, audit: AuditRecord, at: Timestamp) -> Result<Revision> {
        let data = (config, audit, at);
        self.write("record a revision", data, |c, (config, audit, at)| {
            Box::pin(apply(c, config, audit, *at))
        })
        .await
    }

    async fn taken_up(
        &self,
        number: RevisionNumber,
        rejected: Option<String>,
        at: Timestamp,
    ) -> Result<()> {
        let data = (self.lease.node().clone(), number, rejected, at);
        self.write(
            "take up a revision",
            data,
            |c, (node, number, rejected, at)| {
                Box::pin(taken_up(c, node, *number, rejected.as_deref(), *at))
            },
        )
        .await
    }
}
