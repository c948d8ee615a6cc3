//! Attributes of files that their bucket cannot keep. They are written in the order of calls, with
//! the operations that move or forget them.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::id::BucketName;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::ports::bucket::Attributes;
use qm_core::ports::ledger::NameAttributes;
use std::collections::BTreeMap;

use super::PostgresLedger;
use super::connection::Connection;
use super::fault::Sql;
use super::job::{Manner, Wakes};
use super::statements::{Columns, micros, stored_text};

async fn set(
    connection: &Connection,
    path: &ObjectPath,
    identity: &str,
    attributes: Attributes,
) -> Sql<()> {
    connection
        .run(
            "INSERT INTO name_attributes AS known (bucket, folder, name, identity, modified, mode)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (bucket, folder, name) DO UPDATE SET
                 modified = coalesce(excluded.modified,
                     CASE WHEN known.identity = excluded.identity THEN known.modified END),
                 mode = coalesce(excluded.mode,
                     CASE WHEN known.identity = excluded.identity THEN known.mode END),
                 identity = excluded.identity",
            &[
                &path.bucket.as_str(),
                &path.key.folder().as_str(),
                &path.key.file_name(),
                &stored_text(identity),
                &attributes.modified.map(micros),
                &attributes.mode.map(i64::from),
            ],
        )
        .await?;
    Ok(())
}

/// The file has another name now, under which nothing is known.
pub(super) async fn follow(connection: &Connection, from: &ObjectPath, to: &ObjectPath) -> Sql<()> {
    connection
        .run(
            "UPDATE name_attributes SET folder = $4, name = $5
             WHERE bucket = $1 AND folder = $2 AND name = $3",
            &[
                &from.bucket.as_str(),
                &from.key.folder().as_str(),
                &from.key.file_name(),
                &to.key.folder().as_str(),
                &to.key.file_name(),
            ],
        )
        .await?;
    Ok(())
}

/// The file is gone.
pub(super) async fn forget(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection
        .run(
            "DELETE FROM name_attributes WHERE bucket = $1 AND folder = $2 AND name = $3",
            &[
                &path.bucket.as_str(),
                &path.key.folder().as_str(),
                &path.key.file_name(),
            ],
        )
        .await?;
    Ok(())
}

fn attributes(columns: &mut Columns<'_>) -> Sql<(String, Attributes)> {
    let identity = columns.value()?;
    let attributes = Attributes {
        modified: columns.time_if_any()?,
        mode: columns.number_if_any()?,
    };
    Ok((identity, attributes))
}

#[async_trait]
impl NameAttributes for PostgresLedger {
    async fn set_name_attributes(
        &self,
        path: &ObjectPath,
        identity: &str,
        attributes: Attributes,
    ) -> Result<()> {
        let manner = Manner {
            wakes: Wakes::Nobody,
            ..Manner::default()
        };
        let data = (path.clone(), identity.to_owned(), attributes);
        self.enqueue(
            manner,
            "set attributes of a name",
            data,
            |c, (path, identity, attributes)| Box::pin(set(c, path, identity, *attributes)),
        )
        .await
    }

    async fn name_attributes(&self, path: &ObjectPath) -> Result<Option<(String, Attributes)>> {
        self.read("look up attributes of a name", path, |c, path| {
            Box::pin(async move {
                c.first(
                    "SELECT identity, modified, mode FROM name_attributes
                 WHERE bucket = $1 AND folder = $2 AND name = $3",
                    &[
                        &path.bucket.as_str(),
                        &path.key.folder().as_str(),
                        &path.key.file_name(),
                    ],
                    attributes,
                )
                .await
            })
        })
        .await
    }

    async fn name_attributes_in(
        &self,
        bucket: &BucketName,
        folder: &Prefix,
        names: &[&str],
    ) -> Result<BTreeMap<String, (String, Attributes)>> {
        let found = self
            .read(
                "look up attributes in a folder",
                (bucket, folder, names),
                |c, (bucket, folder, names)| {
                    Box::pin(async move {
                        c.all(
                            "SELECT name, identity, modified, mode FROM name_attributes
                     WHERE bucket = $1 AND folder = $2 AND name = ANY ($3)",
                            &[&bucket.as_str(), &folder.as_str(), names],
                            |columns| Ok((columns.value()?, attributes(columns)?)),
                        )
                        .await
                    })
                },
            )
            .await?;
        Ok(found.into_iter().collect())
    }
}
