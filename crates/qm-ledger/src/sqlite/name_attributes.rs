//! Attributes of files that their bucket cannot keep.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::id::BucketName;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::ports::bucket::Attributes;
use qm_core::ports::ledger::NameAttributes;
use rusqlite::Connection;
use std::collections::BTreeMap;

use super::SqliteLedger;
use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros};

fn set(
    connection: &Connection,
    path: &ObjectPath,
    identity: &str,
    attributes: Attributes,
) -> Sql<()> {
    connection.run(
        "INSERT INTO name_attributes (bucket, folder, name, identity, modified, mode)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (bucket, folder, name) DO UPDATE SET
             modified = coalesce(excluded.modified, iif(identity = ?4, modified, NULL)),
             mode = coalesce(excluded.mode, iif(identity = ?4, mode, NULL)),
             identity = ?4",
        (
            path.bucket.as_str(),
            path.key.folder().as_str(),
            path.key.file_name(),
            identity,
            attributes.modified.map(micros),
            attributes.mode,
        ),
    )?;
    Ok(())
}

/// The file has another name now.
pub(super) fn follow(connection: &Connection, from: &ObjectPath, to: &ObjectPath) -> Sql<()> {
    connection.run(
        "UPDATE OR REPLACE name_attributes SET folder = ?4, name = ?5
         WHERE bucket = ?1 AND folder = ?2 AND name = ?3",
        (
            from.bucket.as_str(),
            from.key.folder().as_str(),
            from.key.file_name(),
            to.key.folder().as_str(),
            to.key.file_name(),
        ),
    )?;
    Ok(())
}

/// The file is gone.
pub(super) fn forget(connection: &Connection, path: &ObjectPath) -> Sql<()> {
    connection.run(
        "DELETE FROM name_attributes WHERE bucket = ?1 AND folder = ?2 AND name = ?3",
        (
            path.bucket.as_str(),
            path.key.folder().as_str(),
            path.key.file_name(),
        ),
    )?;
    Ok(())
}

pub(super) const OF_ONE: &str = "SELECT identity, modified, mode FROM name_attributes
     WHERE bucket = ?1 AND folder = ?2 AND name = ?3";

fn attributes(columns: &mut Columns<'_>) -> Sql<(String, Attributes)> {
    let identity = columns.value()?;
    let attributes = Attributes {
        modified: columns.time_if_any()?,
        mode: columns.value()?,
    };
    Ok((identity, attributes))
}

#[async_trait]
impl NameAttributes for SqliteLedger {
    async fn set_name_attributes(
        &self,
        path: &ObjectPath,
        identity: &str,
        attributes: Attributes,
    ) -> Result<()> {
        let (path, identity) = (path.clone(), identity.to_owned());
        self.write_quietly("set attributes of a name", move |c| {
            set(c, &path, &identity, attributes)
        })
        .await
    }

    async fn name_attributes(&self, path: &ObjectPath) -> Result<Option<(String, Attributes)>> {
        let path = path.clone();
        self.read("look up attributes of a name", move |c| {
            let (folder, name) = (path.key.folder(), path.key.file_name());
            c.first(
                OF_ONE,
                (path.bucket.as_str(), folder.as_str(), name),
                attributes,
            )
        })
        .await
    }

    async fn name_attributes_in(
        &self,
        bucket: &BucketName,
        folder: &Prefix,
        names: &[&str],
    ) -> Result<BTreeMap<String, (String, Attributes)>> {
        let (bucket, folder) = (bucket.clone(), folder.clone());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.read("look up attributes in a folder", move |c| {
            let mut found = BTreeMap::new();
            for name in &names {
                let of = (bucket.as_str(), folder.as_str(), name.as_str());
                if let Some(attributes) = c.first(OF_ONE, of, attributes)? {
                    found.insert(name.clone(), attributes);
                }
            }
            Ok(found)
        })
        .await
    }
}
