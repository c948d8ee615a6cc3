//! Versions, name operations, current names. `record` and `complete` run once for every uploaded
//! file: each statement here is paid for by everybody.

use async_trait::async_trait;
use qm_core::alert::NewAlert;
use qm_core::arrival::{Arrival, ArrivalState};
use qm_core::id::{AccountName, ArrivalSeq, BucketName, OperationSeq, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::Names;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::fault::Sql;
use super::job::Urgency;
use super::operations::{self, About, Ended, end, sibling};
use super::statements::{Statements as _, micros, only, stored_size, version_columns};
use super::{SqliteLedger, alerts, arrivals, audit, kept, partials};

fn record(connection: &Connection, change: NameChange) -> Sql<Operation> {
    refuse_incomplete(&change)?;
    if let Some(version) = &change.version {
        add_version(connection, version)?;
        partials::forget(connection, version.id)?;
    }
    let mut operation = Operation {
        seq: OperationSeq(0),
        path: change.path,
        change: change.change,
        version: change.version,
        replaces: change.replaces,
        keep_aside: change.keep_aside,
        keep_moved: change.keep_moved,
    };
    let arrival = match (change.arrival, &operation.version) {
        (Some(cause), Some(version)) => Some(arrivals::add(
            connection,
            &Arrival {
                seq: ArrivalSeq(0),
                path: sibling(&operation.path, operation.lands_on()),
                version: version.clone(),
                account: change.account.clone(),
                cause,
                at: change.at,
                state: ArrivalState::Appearing,
                duplicate_of: None,
                deliveries: None,
            },
        )?),
        (None, _) | (Some(_), None) => None,
    };
    let about = About {
        arrival,
        account: change.account.as_ref().map(AccountName::as_str),
        at: change.at,
    };
    operation.seq = operations::insert(connection, &operation, &about)?;
    audit::append(connection, &change.audit)?;
    Ok(operation)
}

fn refuse_incomplete(change: &NameChange) -> Sql<()> {
    let needs_version = match change.change {
        Change::Publish | Change::Restore => true,
        Change::Rename { .. } | Change::Remove => change.arrival.is_some() || change.keep_moved,
    };
    if needs_version && change.version.is_none() {
        return Err(Error::new(
            Kind::Bug,
            "a name operation was recorded without its version",
        )
        .into());
    }
    Ok(())
}

fn add_version(connection: &Connection, version: &Version) -> Sql<()> {
    connection.run(
        "INSERT INTO versions (id, size_bytes, sha256, identity, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
        (
            version.id.to_string(),
            stored_size(version.size_bytes)?,
            version.sha256.0,
            &version.identity,
            micros(version.received_at),
        ),
    )?;
    Ok(())
}

fn complete(connection: &Connection, operation: &Operation) -> Sql<()> {
    let arrival = match end(connection, operation, "completed", None)? {
        Ended::Now(arrival) => arrival,
        Ended::Before => return Ok(()),
    };
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Arrived)?;
    }
    let path = &operation.path;
    if *operation.lands_on() != path.key {
        clear_name(connection, path)?;
    }
    let lands_on = sibling(path, operation.lands_on());
    match (&operation.change, &operation.version) {
        (Change::Remove, _) | (_, None) => clear_name(connection, &lands_on)?,
        (Change::Publish | Change::Rename { .. } | Change::Restore, Some(version)) => {
            set_name(connection, &lands_on, version.id)?;
        }
    }
    if let (Change::Restore, Some(version)) = (&operation.change, &operation.version) {
        kept::release(connection, &[version.id])?;
    }
    if let (true, Some(replaced)) = (operation.keep_aside, operation.replaces) {
        kept::keep(connection, &path.bucket, replaced)?;
    }
    if let (true, Some(moved)) = (operation.keep_moved, &operation.version) {
        kept::keep(connection, &path.bucket, moved.id)?;
    }
    Ok(())
}

fn set_name(connection: &Connection, path: &ObjectPath, version: VersionId) -> Sql<()> {
    connection.run(
        "INSERT INTO current_names (bucket, key, version) VALUES (?1, ?2, ?3)
         ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version",
        (path.bucket.as_str(), path.key.as_str(), version.to_string()),
    )?;
    Ok(())
}

fn clear_name(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection.run(
        "DELETE FROM current_names WHERE bucket = ?1 AND key = ?2",
        (path.bucket.as_str(), path.key.as_str()),
    )?;
    Ok(())
}

fn fail(connection: &Connection, operation: &Operation, reason: &str, alert: &NewAlert) -> Sql<()> {
    let arrival = match end(connection, operation, "failed", Some(reason))? {
        Ended::Now(arrival) => arrival,
        // Somebody may have resolved the alert since.
        Ended::Before => return Ok(()),
    };
    if let Some(seq) = arrival {
        arrivals::set_state(connection, seq, ArrivalState::Failed)?;
    }
    alerts::raise(connection, alert)?;
    Ok(())
}

pub(super) const CURRENT: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM current_names n JOIN versions v ON v.id = n.version
     WHERE n.bucket = ?1 AND n.key = ?2"
);

fn current(connection: &Connection, path: &ObjectPath) -> Sql<Option<Version>> {
    connection.first(
        CURRENT,
        (path.bucket.as_str(), path.key.as_str()),
        only::version,
    )
}

fn version(connection: &Connection, id: VersionId) -> Sql<Option<Version>> {
    connection.first(
        concat!(
            "SELECT ",
            version_columns!(),
            " FROM versions v WHERE v.id = ?1"
        ),
        [id.to_string()],
        only::version,
    )
}

#[async_trait]
impl Names for SqliteLedger {
    async fn record(&self, change: NameChange) -> Result<Operation> {
        self.write("record a name operation", move |c| record(c, change))
            .await
    }

    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>> {
        let operation = operation.clone();
        Box::pin(self.write_when(
            Urgency::WithTheNext,
            "complete a name operation",
            move |c| complete(c, &operation),
        ))
    }

    async fn fail(&self, operation: &Operation, reason: &str, alert: NewAlert) -> Result<()> {
        let (operation, reason) = (operation.clone(), reason.to_owned());
        self.write("fail a name operation", move |c| {
            fail(c, &operation, &reason, &alert)
        })
        .await
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        self.read("list pending name operations", operations::pending)
            .await
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        let path = path.clone();
        self.read("look up a name", move |c| current(c, &path))
            .await
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        self.read("ask whether a version is needed", move |c| {
            kept::is_needed(c, version)
        })
        .await
    }

    async fn releasable(&self) -> Result<Vec<(BucketName, VersionId)>> {
        self.read("list releasable versions", kept::releasable)
            .await
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        let versions = versions.to_vec();
        self.write("forget released versions", move |c| {
            kept::release(c, &versions)
        })
        .await
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        self.read("look up a version", move |c| version(c, id))
            .await
    }
}
