//! Which version is current under which name.

use qm_core::id::VersionId;
use qm_core::name::ObjectPath;
use qm_core::operation::{Operation, Seen, Version};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Statements as _, only, version_columns};
use crate::words::{names_changed, overtaken};

pub(super) fn set(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    is_hidden: bool,
) -> Sql<()> {
    connection.run(
        "INSERT INTO current_names (bucket, key, version, is_hidden) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version,
             is_hidden = excluded.is_hidden",
        (
            path.bucket.as_str(),
            path.key.as_str(),
            version.to_string(),
            is_hidden,
        ),
    )?;
    Ok(())
}

pub(super) fn clear(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection.run(
        "DELETE FROM current_names WHERE bucket = ?1 AND key = ?2",
        (path.bucket.as_str(), path.key.as_str()),
    )?;
    Ok(())
}

/// A conflict if one of the operation's names shows another version.
pub(super) fn refuse_unless(connection: &Connection, operation: &Operation, seen: Seen) -> Sql<()> {
    let names = names_changed(operation);
    for (name, seen) in names.iter().zip([seen.from, seen.to]) {
        let shown = current(connection, name)?;
        if shown.map(|version| version.id) != seen {
            return Err(overtaken(name).into());
        }
    }
    Ok(())
}

pub(super) const CURRENT: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM current_names n JOIN versions v ON v.id = n.version
     WHERE n.bucket = ?1 AND n.key = ?2"
);

pub(super) fn current(connection: &Connection, path: &ObjectPath) -> Sql<Option<Version>> {
    connection.first(
        CURRENT,
        (path.bucket.as_str(), path.key.as_str()),
        only::version,
    )
}

pub(super) const HIDDEN: &str = concat!(
    "SELECT n.bucket, n.key, ",
    version_columns!(),
    " FROM current_names n INDEXED BY current_names_hidden JOIN versions v ON v.id = n.version
     WHERE n.is_hidden = 1 AND v.staged IS NOT NULL"
);

pub(super) fn hidden(connection: &Connection) -> Sql<Vec<(ObjectPath, Version)>> {
    connection.all(HIDDEN, [], |columns| {
        Ok((columns.path()?, columns.version()?))
    })
}
