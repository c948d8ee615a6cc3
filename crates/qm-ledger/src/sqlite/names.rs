//! Versions, name operations, current names. `record` and `complete` run once for every uploaded
//! file: each statement here is paid for by everybody.

use async_trait::async_trait;
use qm_core::arrival::{Arrival, ArrivalState};
use qm_core::id::{AccountName, ArrivalSeq, BucketName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::Names;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::sync::Arc;

use super::fault::{Fault, Sql};
use super::statements::{Columns, Statements as _, micros, only, stored_size, version_columns};
use super::{SqliteLedger, arrivals, audit, partials};

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
    let renamed_to = match &operation.change {
        Change::Rename { to } => Some(to.as_str()),
        Change::Publish | Change::Remove | Change::Restore => None,
    };
    connection.run(
        "INSERT INTO operations (bucket, key, change, renamed_to, version, replaces, keep_aside,
             arrival, account, at, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'pending')",
        (
            operation.path.bucket.as_str(),
            operation.path.key.as_str(),
            operation.change.as_str(),
            renamed_to,
            operation.version.as_ref().map(|v| v.id.to_string()),
            operation.replaces.map(|id| id.to_string()),
            operation.keep_aside,
            arrival.map(|seq| seq.0),
            change.account.as_ref().map(AccountName::as_str),
            micros(change.at),
        ),
    )?;
    operation.seq = OperationSeq(connection.last_insert_rowid());
    for key in keys(&operation) {
        occupy(connection, &key, operation.seq)?;
    }
    audit::append(connection, &change.audit)?;
    Ok(operation)
}

fn refuse_incomplete(change: &NameChange) -> Sql<()> {
    let needs_version = match change.change {
        Change::Publish | Change::Restore => true,
        Change::Rename { .. } | Change::Remove => change.arrival.is_some(),
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

/// The keys whose names an operation changes.
fn keys(operation: &Operation) -> Vec<ObjectPath> {
    let mut keys = vec![operation.path.clone()];
    if *operation.lands_on() != operation.path.key {
        keys.push(sibling(&operation.path, operation.lands_on()));
    }
    keys
}

fn sibling(path: &ObjectPath, key: &ObjectKey) -> ObjectPath {
    ObjectPath {
        bucket: path.bucket.clone(),
        key: key.clone(),
    }
}

fn occupy(connection: &Connection, key: &ObjectPath, seq: OperationSeq) -> Sql<()> {
    let added = connection.run(
        "INSERT INTO pending_names (bucket, key, operation) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        (key.bucket.as_str(), key.key.as_str(), seq.0),
    )?;
    if added == 0 {
        return Err(Error::new(
            Kind::Conflict,
            "an earlier change of this name is not finished yet",
        )
        .with("path", key)
        .into());
    }
    Ok(())
}

/// What ending an operation found.
enum Ended {
    /// It was pending; its arrival, if it has one.
    Now(Option<ArrivalSeq>),
    /// It had ended in the same way before.
    Before,
}

fn end(
    connection: &Connection,
    operation: &Operation,
    state: &'static str,
    reason: Option<&str>,
) -> Sql<Ended> {
    let ended: Option<Option<i64>> = connection.first(
        "UPDATE operations SET state = ?2, reason = ?3 WHERE seq = ?1 AND state = 'pending'
         RETURNING arrival",
        (operation.seq.0, state, reason),
        only::value,
    )?;
    let Some(arrival) = ended else {
        refuse_unless(connection, operation.seq, state)?;
        return Ok(Ended::Before);
    };
    for key in keys(operation) {
        connection.run(
            "DELETE FROM pending_names WHERE bucket = ?1 AND key = ?2",
            (key.bucket.as_str(), key.key.as_str()),
        )?;
    }
    Ok(Ended::Now(arrival.map(ArrivalSeq)))
}

fn refuse_unless(connection: &Connection, seq: OperationSeq, state: &str) -> Sql<()> {
    let found: Option<String> = connection.first(
        "SELECT state FROM operations WHERE seq = ?1",
        [seq.0],
        only::value,
    )?;
    match found {
        Some(found) if found == state => Ok(()),
        Some(found) => Err(
            Error::new(Kind::Conflict, "this change of a name has ended already")
                .with("ended", found)
                .into(),
        ),
        None => Err(Error::new(Kind::NotFound, "no such name operation").into()),
    }
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
        release(connection, &[version.id])?;
    }
    if let (true, Some(replaced)) = (operation.keep_aside, operation.replaces) {
        connection.run(
            "INSERT OR REPLACE INTO kept_versions (version, bucket) VALUES (?1, ?2)",
            (replaced.to_string(), path.bucket.as_str()),
        )?;
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

fn fail(connection: &Connection, operation: &Operation, reason: &str) -> Sql<()> {
    match end(connection, operation, "failed", Some(reason))? {
        Ended::Now(Some(seq)) => arrivals::set_state(connection, seq, ArrivalState::Failed),
        Ended::Now(None) | Ended::Before => Ok(()),
    }
}

pub(super) const PENDING: &str = concat!(
    "SELECT o.seq, o.bucket, o.key, o.change, o.renamed_to, o.replaces, o.keep_aside,
     o.version IS NOT NULL, ",
    version_columns!(),
    " FROM operations o LEFT JOIN versions v ON v.id = o.version
     WHERE o.seq IN (SELECT operation FROM pending_names) ORDER BY o.seq"
);

fn pending(connection: &Connection) -> Sql<Vec<Operation>> {
    connection.all(PENDING, [], |columns| {
        Ok(Operation {
            seq: OperationSeq(columns.value()?),
            path: columns.path()?,
            change: change(columns)?,
            replaces: columns.parsed_if_any(str::parse)?,
            keep_aside: columns.value()?,
            version: if columns.value()? {
                Some(columns.version()?)
            } else {
                None
            },
        })
    })
}

fn change(columns: &mut Columns<'_>) -> Sql<Change> {
    let word: String = columns.value()?;
    let renamed_to = columns.parsed_if_any(ObjectKey::parse)?;
    match (word.as_str(), renamed_to) {
        ("publish", None) => Ok(Change::Publish),
        ("remove", None) => Ok(Change::Remove),
        ("restore", None) => Ok(Change::Restore),
        ("rename", Some(to)) => Ok(Change::Rename { to }),
        (_, _) => Err(Fault::Refused(
            Error::new(
                Kind::Bug,
                "the ledger holds a change that this program does not know",
            )
            .with("change", word),
        )),
    }
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

/// True while something needs the bytes of the version in `$column`.
macro_rules! is_needed {
    ($column:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM arrivals a WHERE a.version = ",
            $column,
            " AND a.deliveries IS NULL AND a.state <> 'failed')
             OR EXISTS (SELECT 1 FROM deliveries d WHERE d.version = ",
            $column,
            " AND d.state IN ('waiting', 'running', 'dead')))"
        )
    };
}

pub(super) const IS_NEEDED: &str = concat!("SELECT ", is_needed!("?1"));

pub(super) const RELEASABLE: &str = concat!(
    "SELECT k.bucket, k.version FROM kept_versions k WHERE NOT ",
    is_needed!("k.version"),
    " AND NOT EXISTS (SELECT 1 FROM pending_names p
         CROSS JOIN operations o ON o.seq = p.operation WHERE o.version = k.version)"
);

fn releasable(connection: &Connection) -> Sql<Vec<(BucketName, VersionId)>> {
    connection.all(RELEASABLE, [], |columns| {
        Ok((
            columns.parsed(BucketName::parse)?,
            columns.parsed(str::parse)?,
        ))
    })
}

fn release(connection: &Connection, versions: &[VersionId]) -> Sql<()> {
    for version in versions {
        connection.run(
            "DELETE FROM kept_versions WHERE version = ?1",
            [version.to_string()],
        )?;
    }
    Ok(())
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
        let keys = keys(operation);
        self.completing.begin(&keys);
        let completing = Arc::clone(&self.completing);
        let operation = operation.clone();
        Box::pin(self.write_and(
            "complete a name operation",
            move |c| complete(c, &operation),
            move || completing.end(&keys),
        ))
    }

    async fn fail(&self, operation: &Operation, reason: &str) -> Result<()> {
        let (operation, reason) = (operation.clone(), reason.to_owned());
        self.write("fail a name operation", move |c| {
            fail(c, &operation, &reason)
        })
        .await
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        self.read("list pending name operations", pending).await
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        let is_behind = self.completing.contains(path);
        let path = path.clone();
        let look = move |c: &Connection| current(c, &path);
        if is_behind {
            return self.write("look up a name", look).await;
        }
        self.read("look up a name", look).await
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        self.read("ask whether a version is needed", move |c| {
            c.holds(IS_NEEDED, [version.to_string()])
        })
        .await
    }

    async fn releasable(&self) -> Result<Vec<(BucketName, VersionId)>> {
        self.read("list releasable versions", releasable).await
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        let versions = versions.to_vec();
        self.write("forget released versions", move |c| release(c, &versions))
            .await
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        self.read("look up a version", move |c| version(c, id))
            .await
    }
}
