//! Revisions of the configuration.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::id::{NodeName, RevisionNumber};
use qm_core::ports::ledger::{Revision, Revisions, TakenUp};
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Statements as _, micros};
use super::{SqliteLedger, audit};

const NEWEST: &str = "SELECT number, config, at FROM revisions ORDER BY number DESC LIMIT 1";
const IN_FORCE: &str = "SELECT number, config, at FROM revisions
     WHERE NOT EXISTS (SELECT 1 FROM taken_up WHERE revision = number)
        OR EXISTS (SELECT 1 FROM taken_up WHERE revision = number AND rejected IS NULL)
     ORDER BY number DESC LIMIT 1";

fn newest(connection: &Connection) -> Sql<Option<Revision>> {
    one(connection, NEWEST)
}

fn in_force(connection: &Connection) -> Sql<Option<Revision>> {
    one(connection, IN_FORCE)
}

fn one(connection: &Connection, sql: &str) -> Sql<Option<Revision>> {
    let found = connection.first(sql, [], |columns| {
        Ok(Revision {
            number: RevisionNumber(columns.value()?),
            config: columns.value()?,
            at: columns.time()?,
            taken_up: Vec::new(),
        })
    })?;
    let Some(mut revision) = found else {
        return Ok(None);
    };
    revision.taken_up = connection.all(
        "SELECT node, at, rejected FROM taken_up WHERE revision = ?1 ORDER BY node",
        [revision.number.0],
        |columns| {
            Ok(TakenUp {
                node: columns.parsed(NodeName::parse)?,
                at: columns.time()?,
                rejected: columns.value()?,
            })
        },
    )?;
    Ok(Some(revision))
}

fn apply(
    connection: &Connection,
    config: String,
    record: &AuditRecord,
    at: Timestamp,
) -> Sql<Revision> {
    if let Some(same) = newest(connection)?.filter(|newest| newest.config == config) {
        return Ok(same);
    }
    connection.run(
        "INSERT INTO revisions (config, at) VALUES (?1, ?2)",
        (&config, micros(at)),
    )?;
    let number = RevisionNumber(connection.last_insert_rowid());
    audit::append(connection, record)?;
    Ok(Revision {
        number,
        config,
        at,
        taken_up: Vec::new(),
    })
}

fn taken_up(
    connection: &Connection,
    number: RevisionNumber,
    node: &NodeName,
    rejected: Option<&str>,
    at: Timestamp,
) -> Sql<()> {
    let changed = connection.run(
        "INSERT OR REPLACE INTO taken_up (revision, node, at, rejected)
         SELECT number, ?2, ?3, ?4 FROM revisions WHERE number = ?1",
        (number.0, node.as_str(), micros(at), rejected),
    )?;
    if changed == 0 {
        return Err(Error::new(Kind::NotFound, "no such revision")
            .with("revision", number)
            .into());
    }
    Ok(())
}

#[async_trait]
impl Revisions for SqliteLedger {
    async fn revision(&self) -> Result<Option<Revision>> {
        self.read("look up the revision", newest).await
    }

    async fn in_force(&self) -> Result<Option<Revision>> {
        self.read("look up the revision in force", in_force).await
    }

    async fn apply(&self, config: String, audit: AuditRecord, at: Timestamp) -> Result<Revision> {
        self.write("record a revision", move |c| apply(c, config, &audit, at))
            .await
    }

    async fn taken_up(
        &self,
        number: RevisionNumber,
        rejected: Option<String>,
        at: Timestamp,
    ) -> Result<()> {
        let node = self.node.clone();
        self.write("take up a revision", move |c| {
            taken_up(c, number, &node, rejected.as_deref(), at)
        })
        .await
    }
}
