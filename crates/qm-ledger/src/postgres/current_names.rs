//! Which version is current under which name.

use qm_core::id::VersionId;
use qm_core::name::ObjectPath;
use qm_core::operation::{Operation, Seen, Version};

use super::connection::Connection;
use super::fault::Sql;
use super::statements::{only, version_columns};
use crate::words::{names_changed, overtaken};

pub(super) async fn set(
    connection: &Connection,
    path: &ObjectPath,
    version: VersionId,
    is_hidden: bool,
) -> Sql<()> {
    connection
        .run(
            "INSERT INTO current_names (bucket, key, version, is_hidden) VALUES ($1, $2, $3, $4)
             ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version,
                 is_hidden = excluded.is_hidden",
            &[
                &path.bucket.as_str(),
                &path.key.as_str(),
                &version.to_string(),
                &is_hidden,
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn clear(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection
        .run(
            "DELETE FROM current_names WHERE bucket = $1 AND key = $2",
            &[&path.bucket.as_str(), &path.key.as_str()],
        )
        .await?;
    Ok(())
}

const CURRENT: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM current_names n JOIN versions v ON v.id = n.version
     WHERE n.bucket = $1 AND n.key = $2"
);

pub(super) async fn current(connection: &Connection, path: &ObjectPath) -> Sql<Option<Version>> {
    connection
        .first(
            CURRENT,
            &[&path.bucket.as_str(), &path.key.as_str()],
            only::version,
        )
        .await
}

/// A conflict if one of the operation's names shows another version. To be asked when the operation
/// occupies them: whoever changed one before has committed by then.
pub(super) async fn refuse_unless(
    connection: &Connection,
    operation: &Operation,
    seen: Seen,
) -> Sql<()> {
    let names = names_changed(operation);
    for (name, seen) in names.iter().zip([seen.from, seen.to]) {
        let shown = connection
            .first(
                "SELECT version FROM current_names WHERE bucket = $1 AND key = $2",
                &[&name.bucket.as_str(), &name.key.as_str()],
                only::value::<String>,
            )
            .await?;
        if shown != seen.map(|id| id.to_string()) {
            return Err(overtaken(name).into());
        }
    }
    Ok(())
}

const HIDDEN: &str = concat!(
    "SELECT n.bucket, n.key, ",
    version_columns!(),
    " FROM current_names n JOIN versions v ON v.id = n.version
     WHERE n.is_hidden AND v.staged IS NOT NULL"
);

pub(super) async fn hidden(connection: &Connection) -> Sql<Vec<(ObjectPath, Version)>> {
    connection
        .all(HIDDEN, &[], |columns| {
            Ok((columns.path()?, columns.version()?))
        })
        .await
}
