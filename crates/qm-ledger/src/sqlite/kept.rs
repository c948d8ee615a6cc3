//! Versions kept aside, and what still needs their bytes.

use qm_core::id::{BucketName, VersionId};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::Statements as _;

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

pub(super) fn releasable(connection: &Connection) -> Sql<Vec<(BucketName, VersionId)>> {
    connection.all(RELEASABLE, [], |columns| {
        Ok((
            columns.parsed(BucketName::parse)?,
            columns.parsed(str::parse)?,
        ))
    })
}

pub(super) fn release(connection: &Connection, versions: &[VersionId]) -> Sql<()> {
    for version in versions {
        connection.run(
            "DELETE FROM kept_versions WHERE version = ?1",
            [version.to_string()],
        )?;
    }
    Ok(())
}

pub(super) fn keep(connection: &Connection, bucket: &BucketName, version: VersionId) -> Sql<()> {
    connection.run(
        "INSERT OR REPLACE INTO kept_versions (version, bucket) VALUES (?1, ?2)",
        (version.to_string(), bucket.as_str()),
    )?;
    Ok(())
}

pub(super) fn is_needed(connection: &Connection, version: VersionId) -> Sql<bool> {
    connection.holds(IS_NEEDED, [version.to_string()])
}
