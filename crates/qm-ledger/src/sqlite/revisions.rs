//! Revisions of the configuration.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::id::RevisionNumber;
use qm_core::ports::ledger::{Revision, Revisions};
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros};
use super::{SqliteLedger, audit};

fn newest(connection: &Connection) -> Sql<Option<Revision>> {
    connection.first(
        "SELECT number, config, at, taken_up_at, rejected
         FROM revisions ORDER BY number DESC LIMIT 1",
        [],
        revision,
    )
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
        taken_up_at: None,
        rejected: None,
    })
}

fn taken_up(
    connection: &Connection,
    number: RevisionNumber,
    rejected: Option<&str>,
    at: Timestamp,
) -> Sql<()> {
    let taken_up_at = rejected.is_none().then_some(micros(at));
    let changed = connection.run(
        "UPDATE revisions SET taken_up_at = ?2, rejected = ?3 WHERE number = ?1",
        (number.0, taken_up_at, rejected),
    )?;
    if changed == 0 {
        return Err(Error::new(Kind::NotFound, "no such revision")
            .with("revision", number)
            .into());
    }
    Ok(())
}

fn revision(columns: &mut Columns<'_>) -> Sql<Revision> {
    Ok(Revision {
        number: RevisionNumber(columns.value()?),
        config: columns.value()?,
        at: columns.time()?,
        taken_up_at: columns.time_if_any()?,
        rejected: columns.value()?,
    })
}

#[async_trait]
impl Revisions for SqliteLedger {
    async fn revision(&self) -> Result<Option<Revision>> {
        self.read("look up the revision", newest).await
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
        self.write("take up a revision", move |c| {
            taken_up(c, number, rejected.as_deref(), at)
        })
        .await
    }
}
