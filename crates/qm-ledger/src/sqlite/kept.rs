//! Versions kept though no name shows them, what still needs their bytes, and how they go: given
//! up in one transaction that asks everything again, then their bytes are removed, then the row.

use jiff::{SignedDuration, Timestamp};
use qm_core::id::{BucketName, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::Operation;
use qm_core::ports::ledger::{KeptVersion, Retention};
use qm_core::{Error, Kind};
use rusqlite::Connection;
use std::collections::BTreeMap;

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, only, version_columns};
use crate::words::sibling;

/// Most versions of a bucket that are named at once: a change of the retention may end a million.
const BATCH: u32 = 1_000;

/// True while something needs the bytes of the version in `$column`.
macro_rules! needs_bytes {
    ($column:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM arrivals a WHERE a.version = ",
            $column,
            " AND a.deliveries IS NULL AND a.state <> 'failed')
             OR EXISTS (SELECT 1 FROM deliveries d WHERE d.version = ",
            $column,
            " AND d.removes IS NULL AND d.state IN ('waiting', 'running', 'dead')))"
        )
    };
}

pub(super) use needs_bytes;

/// True if nothing needs the version in `k` and no operation moves it.
macro_rules! is_free {
    () => {
        concat!(
            "NOT ",
            needs_bytes!("k.version"),
            " AND NOT EXISTS (SELECT 1 FROM pending_names p
                 CROSS JOIN operations o ON o.seq = p.operation
                 WHERE o.version = k.version OR o.replaces = k.version)"
        )
    };
}

macro_rules! select_kept {
    ($rest:literal) => {
        concat!(
            "SELECT k.bucket, k.key, k.kept_at, ",
            version_columns!(),
            " FROM kept_versions k JOIN versions v ON v.id = k.version ",
            $rest
        )
    };
}

pub(super) const IS_NEEDED: &str = concat!("SELECT ", needs_bytes!("?1"));

pub(super) const KEPT: &str = select_kept!(
    "WHERE k.bucket = ?1 AND k.key = ?2 AND k.state = 'retained' ORDER BY k.operation DESC"
);

pub(super) const KEPT_IN: &str =
    select_kept!("WHERE k.bucket = ?1 AND k.state <> 'releasing' ORDER BY k.key, k.operation");

pub(super) const RELEASING: &str =
    select_kept!("WHERE k.bucket = ?1 AND k.state = 'releasing' LIMIT ?2");

/// What can be given up in a bucket: moved away, too old, too many of their name. A version that
/// is retained under its new name is not given up under the old one: a bucket may have its bytes
/// only once.
pub(super) const CANDIDATES: &str = concat!(
    "SELECT k.version FROM kept_versions k
     WHERE k.bucket = ?1 AND k.state = 'moved'
         AND NOT EXISTS (SELECT 1 FROM kept_versions r
             WHERE r.version = k.version AND r.state = 'retained')
         AND ",
    is_free!(),
    " UNION ALL
     SELECT k.version FROM kept_versions k
     WHERE k.bucket = ?1 AND k.state = 'retained' AND k.kept_at <= ?2 AND ",
    is_free!(),
    " UNION ALL
     SELECT k.version FROM kept_names n
     CROSS JOIN kept_versions k ON k.bucket = n.bucket AND k.key = n.key AND k.state = 'retained'
     WHERE n.bucket = ?1 AND n.versions > ?3
         AND k.operation <= (SELECT s.operation FROM kept_versions s
             WHERE s.bucket = n.bucket AND s.key = n.key AND s.state = 'retained'
             ORDER BY s.operation DESC LIMIT 1 OFFSET ?3)
         AND ",
    is_free!(),
    " LIMIT ?4"
);

/// What is asked of the ledger: buckets that are not named keep everything.
pub(super) struct Asked {
    pub(super) retention: BTreeMap<BucketName, Retention>,
    pub(super) now: Timestamp,
}

/// What a look finds.
pub(super) struct Found {
    /// Given up before; their bytes may still be there.
    pub(super) releasing: Vec<KeptVersion>,
    /// True if there is something to give up.
    pub(super) has_candidates: bool,
}

/// Several statements, so perhaps several states: a hint, and [`give_up`] decides.
pub(super) fn look(connection: &Connection, asked: &Asked) -> Sql<Found> {
    let mut found = Found {
        releasing: Vec::new(),
        has_candidates: false,
    };
    for (bucket, retention) in &asked.retention {
        let releasing = releasing(connection, bucket)?;
        let room = BATCH.saturating_sub(count(&releasing));
        let one = candidates(connection, bucket, retention, asked.now, room.min(1))?;
        found.has_candidates |= !one.is_empty();
        found.releasing.extend(releasing);
    }
    Ok(found)
}

/// From now on they cannot be restored, and are named until they are [`released`]: the bytes of a
/// version that somebody brings back meanwhile must not be removed.
pub(super) fn give_up(connection: &Connection, asked: &Asked) -> Sql<Vec<KeptVersion>> {
    let mut given_up = Vec::new();
    for (bucket, retention) in &asked.retention {
        let room = BATCH.saturating_sub(count(&releasing(connection, bucket)?));
        for version in candidates(connection, bucket, retention, asked.now, room)? {
            let names: Vec<ObjectPath> = connection.all(
                "SELECT bucket, key FROM kept_versions WHERE version = ?1 AND state = 'retained'",
                [&version],
                only::path,
            )?;
            connection.run(
                "UPDATE kept_versions SET state = 'releasing'
                 WHERE version = ?1 AND state <> 'releasing'",
                [&version],
            )?;
            count_down(connection, &names)?;
        }
        given_up.extend(releasing(connection, bucket)?);
    }
    Ok(given_up)
}

fn candidates(
    connection: &Connection,
    bucket: &BucketName,
    retention: &Retention,
    now: Timestamp,
    limit: u32,
) -> Sql<Vec<String>> {
    // An age that reaches back beyond the beginning of time ends nothing.
    let ended_before = retention.age.and_then(|age| {
        let age = SignedDuration::try_from(age).ok()?;
        now.checked_sub(age).ok().map(micros)
    });
    connection.all(
        CANDIDATES,
        (bucket.as_str(), ended_before, retention.versions, limit),
        only::value,
    )
}

fn releasing(connection: &Connection, bucket: &BucketName) -> Sql<Vec<KeptVersion>> {
    connection.all(RELEASING, (bucket.as_str(), BATCH), kept_version)
}

fn count(versions: &[KeptVersion]) -> u32 {
    u32::try_from(versions.len()).unwrap_or(u32::MAX)
}

pub(super) fn kept(connection: &Connection, path: &ObjectPath) -> Sql<Vec<KeptVersion>> {
    connection.all(
        KEPT,
        (path.bucket.as_str(), path.key.as_str()),
        kept_version,
    )
}

pub(super) fn kept_in(connection: &Connection, bucket: &BucketName) -> Sql<Vec<KeptVersion>> {
    connection.all(KEPT_IN, [bucket.as_str()], kept_version)
}

fn kept_version(columns: &mut Columns<'_>) -> Sql<KeptVersion> {
    Ok(KeptVersion {
        path: columns.path()?,
        kept_at: columns.time()?,
        version: columns.version()?,
    })
}

/// Their bytes are gone.
pub(super) fn released(connection: &Connection, versions: &[VersionId]) -> Sql<()> {
    for version in versions {
        connection.run(
            "DELETE FROM kept_versions WHERE version = ?1 AND state = 'releasing'",
            [version.to_string()],
        )?;
    }
    Ok(())
}

/// A version that is on its way out does not come back.
pub(super) fn refuse_if_given_up(connection: &Connection, version: VersionId) -> Sql<()> {
    let is_given_up = connection.holds(
        "SELECT EXISTS (SELECT 1 FROM kept_versions WHERE version = ?1 AND state = 'releasing')",
        [version.to_string()],
    )?;
    if is_given_up {
        let error = Error::new(Kind::NotFound, "this version is not kept any more");
        return Err(error.with("version", version).into());
    }
    Ok(())
}

/// It is current again.
pub(super) fn bring_back(connection: &Connection, version: VersionId) -> Sql<()> {
    let names = connection.all(
        "DELETE FROM kept_versions WHERE version = ?1 AND state = 'retained'
         RETURNING bucket, key",
        [version.to_string()],
        only::path,
    )?;
    count_down(connection, &names)
}

/// What the completed operation put aside.
pub(super) fn keep(connection: &Connection, operation: &Operation, at: Timestamp) -> Sql<()> {
    let path = &operation.path;
    if let (true, Some(replaced)) = (operation.keep_aside, operation.replaces) {
        let under = sibling(path, operation.lands_on());
        // What goes under another name goes under this one as well: it may be the same bytes.
        let state: Option<String> = connection.first(
            "INSERT INTO kept_versions (version, bucket, key, operation, kept_at, state)
             SELECT ?1, ?2, ?3, ?4, ?5, CASE WHEN EXISTS (SELECT 1 FROM kept_versions
                 WHERE version = ?1 AND state = 'releasing') THEN 'releasing' ELSE 'retained' END
             WHERE true
             ON CONFLICT DO UPDATE SET operation = excluded.operation, kept_at = excluded.kept_at,
                 state = excluded.state
             WHERE state = 'moved'
             RETURNING state",
            (
                replaced.to_string(),
                under.bucket.as_str(),
                under.key.as_str(),
                operation.seq.0,
                micros(at),
            ),
            only::value,
        )?;
        if state.as_deref() == Some("retained") {
            count_up(connection, &under)?;
        }
    }
    keep_moved(connection, operation, at)
}

/// The version that moved may have a second name among the kept.
fn keep_moved(connection: &Connection, operation: &Operation, at: Timestamp) -> Sql<()> {
    match &operation.version {
        Some(moved) if operation.keep_moved => {
            copied(connection, operation, (moved.id, &operation.path), at)
        }
        Some(_) | None => Ok(()),
    }
}

/// The failed operation may have put aside what stays where it is.
pub(super) fn keep_nothing(
    connection: &Connection,
    operation: &Operation,
    at: Timestamp,
) -> Sql<()> {
    if let (true, Some(stays)) = (operation.keep_aside, operation.replaces) {
        let under = sibling(&operation.path, operation.lands_on());
        copied(connection, operation, (stays, &under), at)?;
    }
    keep_moved(connection, operation, at)
}

/// Goes as soon as nothing needs it, whatever the retention.
fn copied(
    connection: &Connection,
    operation: &Operation,
    (version, path): (VersionId, &ObjectPath),
    at: Timestamp,
) -> Sql<()> {
    connection.run(
        "INSERT INTO kept_versions (version, bucket, key, operation, kept_at, state)
         VALUES (?1, ?2, ?3, ?4, ?5, 'moved') ON CONFLICT DO NOTHING",
        (
            version.to_string(),
            path.bucket.as_str(),
            path.key.as_str(),
            operation.seq.0,
            micros(at),
        ),
    )?;
    Ok(())
}

fn count_up(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection.run(
        "INSERT INTO kept_names (bucket, key, versions) VALUES (?1, ?2, 1)
         ON CONFLICT DO UPDATE SET versions = versions + 1",
        (path.bucket.as_str(), path.key.as_str()),
    )?;
    Ok(())
}

fn count_down(connection: &Connection, names: &[ObjectPath]) -> Sql<()> {
    for name in names {
        let name = (name.bucket.as_str(), name.key.as_str());
        let last = connection.run(
            "DELETE FROM kept_names WHERE bucket = ?1 AND key = ?2 AND versions = 1",
            name,
        )?;
        if last == 0 {
            connection.run(
                "UPDATE kept_names SET versions = versions - 1 WHERE bucket = ?1 AND key = ?2",
                name,
            )?;
        }
    }
    Ok(())
}

pub(super) fn is_needed(connection: &Connection, version: VersionId) -> Sql<bool> {
    connection.holds(IS_NEEDED, [version.to_string()])
}
