//! Broken-off uploads.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::audit::AuditRecord;
use qm_core::id::{AccountName, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::Parked;
use qm_core::ports::ledger::Partials;
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, stored_size};
use super::{SqliteLedger, audit};

const PARTIAL: &str =
    "SELECT version, account, bucket, key, token, size_bytes, state, lost_at FROM partials";

fn park(connection: &Connection, partial: &Partial, record: &AuditRecord) -> Sql<Option<Partial>> {
    let earlier = find(connection, &partial.account, &partial.path)?;
    connection.run(
        "INSERT OR REPLACE INTO partials (account, bucket, key, version, token, size_bytes,
             state, lost_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            partial.account.as_str(),
            partial.path.bucket.as_str(),
            partial.path.key.as_str(),
            partial.version.to_string(),
            &partial.parked.token.0,
            stored_size(partial.parked.size_bytes)?,
            &partial.parked.state,
            micros(partial.lost_at),
        ),
    )?;
    audit::append(connection, record)?;
    // Parked again after a resume, it is its own predecessor: nobody may discard its bytes.
    Ok(earlier.filter(|earlier| earlier.parked.token != partial.parked.token))
}

fn find(connection: &Connection, account: &AccountName, path: &ObjectPath) -> Sql<Option<Partial>> {
    connection.first(
        &format!("{PARTIAL} WHERE account = ?1 AND bucket = ?2 AND key = ?3"),
        (account.as_str(), path.bucket.as_str(), path.key.as_str()),
        partial,
    )
}

pub(super) fn forget(connection: &Connection, version: VersionId) -> Sql<()> {
    connection.run(
        "DELETE FROM partials WHERE version = ?1",
        [version.to_string()],
    )?;
    Ok(())
}

fn partial(columns: &mut Columns<'_>) -> Sql<Partial> {
    Ok(Partial {
        version: columns.parsed(str::parse)?,
        account: columns.parsed(AccountName::parse)?,
        path: columns.path()?,
        parked: Parked {
            token: StagedToken(columns.value()?),
            size_bytes: columns.size()?,
            state: columns.value()?,
        },
        lost_at: columns.time()?,
    })
}

#[async_trait]
impl Partials for SqliteLedger {
    async fn park(&self, partial: Partial, audit: AuditRecord) -> Result<Option<Partial>> {
        self.write_quietly("park a broken-off upload", move |c| {
            park(c, &partial, &audit)
        })
        .await
    }

    async fn find(&self, account: &AccountName, path: &ObjectPath) -> Result<Option<Partial>> {
        let (account, path) = (account.clone(), path.clone());
        self.read("look up a broken-off upload", move |c| {
            find(c, &account, &path)
        })
        .await
    }

    async fn partials(&self) -> Result<Vec<Partial>> {
        self.read("list broken-off uploads", |c| {
            c.all(&format!("{PARTIAL} ORDER BY version"), [], partial)
        })
        .await
    }

    async fn forget(&self, version: VersionId) -> Result<()> {
        self.write_quietly("forget a broken-off upload", move |c| forget(c, version))
            .await
    }
}
