//! Rows of name operations: pending, then ended once. A key has one pending operation at most.

use jiff::Timestamp;
use qm_core::id::{ArrivalSeq, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, Operation};
use qm_core::{Error, Kind};
use rusqlite::Connection;

use super::fault::{Fault, Sql};
use super::statements::{Columns, Statements as _, micros, only, version_columns};
use crate::words::names_changed;

/// What is recorded beside the operation itself.
pub(super) struct About<'a> {
    pub(super) arrival: Option<ArrivalSeq>,
    pub(super) account: Option<&'a str>,
    pub(super) at: Timestamp,
    /// See [`qm_core::operation::NameChange::departs`].
    pub(super) departs: bool,
}

/// Adds a pending one; a conflict if one of its keys has one already.
pub(super) fn insert(
    connection: &Connection,
    operation: &Operation,
    about: &About<'_>,
) -> Sql<OperationSeq> {
    let renamed_to = match &operation.change {
        Change::Rename { to } => Some(to.as_str()),
        Change::Publish | Change::Remove | Change::Restore => None,
    };
    connection.run(
        "INSERT INTO operations (bucket, key, change, renamed_to, version, replaces, keep_aside,
             keep_moved, arrival, account, at, state, departs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'pending', ?12)",
        (
            operation.path.bucket.as_str(),
            operation.path.key.as_str(),
            operation.change.as_str(),
            renamed_to,
            operation.version.as_ref().map(|v| v.id.to_string()),
            operation.replaces.map(|id| id.to_string()),
            operation.keep_aside,
            operation.keep_moved,
            about.arrival.map(|seq| seq.0),
            about.account,
            micros(about.at),
            about.departs,
        ),
    )?;
    let seq = OperationSeq(connection.last_insert_rowid());
    for key in names_changed(operation) {
        occupy(connection, &key, seq)?;
    }
    Ok(seq)
}

/// One that others have done already: they removed the file.
pub(super) fn insert_vanished(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    at: Timestamp,
) -> Sql<()> {
    connection.run(
        "INSERT INTO operations (bucket, key, change, version, replaces, keep_aside, keep_moved, at,
             state, departs)
         VALUES (?1, ?2, 'remove', ?3, ?3, 0, 0, ?4, 'completed', 1)",
        (
            path.bucket.as_str(),
            path.key.as_str(),
            version.to_string(),
            micros(at),
        ),
    )?;
    Ok(())
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

/// True if a recorded change of the name has not ended.
pub(super) fn is_pending(connection: &Connection, path: &ObjectPath) -> Sql<bool> {
    connection.holds(
        "SELECT EXISTS (SELECT 1 FROM pending_names WHERE bucket = ?1 AND key = ?2)",
        (path.bucket.as_str(), path.key.as_str()),
    )
}

/// What ending an operation found.
pub(super) enum Ended {
    /// It was pending; its arrival, if it has one, and when it was recorded.
    Now(Option<ArrivalSeq>, Timestamp),
    /// It had ended in the same way before.
    Before,
}

pub(super) fn end(
    connection: &Connection,
    operation: &Operation,
    state: &'static str,
    reason: Option<&str>,
) -> Sql<Ended> {
    let ended = connection.first(
        "UPDATE operations SET state = ?2, reason = ?3 WHERE seq = ?1 AND state = 'pending'
         RETURNING arrival, at",
        (operation.seq.0, state, reason),
        |columns| Ok((columns.value::<Option<i64>>()?, columns.time()?)),
    )?;
    let Some((arrival, at)) = ended else {
        refuse_unless(connection, operation.seq, state)?;
        return Ok(Ended::Before);
    };
    for key in names_changed(operation) {
        connection.run(
            "DELETE FROM pending_names WHERE bucket = ?1 AND key = ?2",
            (key.bucket.as_str(), key.key.as_str()),
        )?;
    }
    Ok(Ended::Now(arrival.map(ArrivalSeq), at))
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

pub(super) const PENDING: &str = concat!(
    "SELECT o.seq, o.bucket, o.key, o.change, o.renamed_to, o.replaces, o.keep_aside,
     o.keep_moved, v.staged IS NOT NULL AND o.arrival IS NULL, o.version IS NOT NULL, ",
    version_columns!(),
    " FROM operations o LEFT JOIN versions v ON v.id = o.version
     WHERE o.seq IN (SELECT operation FROM pending_names) ORDER BY o.seq"
);

pub(super) fn pending(connection: &Connection) -> Sql<Vec<Operation>> {
    connection.all(PENDING, [], |columns| {
        Ok(Operation {
            seq: OperationSeq(columns.value()?),
            path: columns.path()?,
            change: change(columns)?,
            replaces: columns.parsed_if_any(str::parse)?,
            keep_aside: columns.value()?,
            keep_moved: columns.value()?,
            is_hidden: columns.value()?,
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
