//! Broken-off uploads. They are written in the order of calls, with the changes that forget them.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::audit::AuditRecord;
use qm_core::id::{AccountName, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::Parked;
use qm_core::ports::ledger::Partials;

use super::connection::Connection;
use super::fault::Sql;
use super::job::{Manner, Wakes};
use super::statements::{Columns, micros, stored_size};
use super::{PostgresLedger, audit};

const QUIETLY: Manner = Manner {
    wakes: Wakes::Nobody,
    needs: super::job::Needs::Nothing,
};

macro_rules! select_partials {
    ($rest:literal) => {
        concat!(
            "SELECT version, account, bucket, key, token, size_bytes, state, lost_at
             FROM partials ",
            $rest
        )
    };
}

async fn park(
    connection: &Connection,
    partial: &Partial,
    record: &AuditRecord,
) -> Sql<Option<Partial>> {
    let earlier = find(connection, &partial.account, &partial.path).await?;
    connection
        .run(
            "DELETE FROM partials WHERE version = $4 AND (account, bucket, key) <> ($1, $2, $3)",
            &[
                &partial.account.as_str(),
                &partial.path.bucket.as_str(),
                &partial.path.key.as_str(),
                &partial.version.to_string(),
            ],
        )
        .await?;
    connection
        .run(
            "INSERT INTO partials (account, bucket, key, version, token, size_bytes, state, lost_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (account, bucket, key) DO UPDATE SET version = excluded.version,
                 token = excluded.token, size_bytes = excluded.size_bytes,
                 state = excluded.state, lost_at = excluded.lost_at",
            &[
                &partial.account.as_str(),
                &partial.path.bucket.as_str(),
                &partial.path.key.as_str(),
                &partial.version.to_string(),
                &partial.parked.token.0,
                &stored_size(partial.parked.size_bytes)?,
                &partial.parked.state,
                &micros(partial.lost_at),
            ],
        )
        .await?;
    audit::append(connection, record).await?;
    // Parked again after a resume, it is its own predecessor: nobody may discard its bytes.
    Ok(earlier.filter(|earlier| earlier.parked.token != partial.parked.token))
}

async fn find(
    connection: &Connection,
    account: &AccountName,
    path: &ObjectPath,
) -> Sql<Option<Partial>> {
    connection
        .first(
            select_partials!("WHERE account = $1 AND bucket = $2 AND key = $3"),
            &[&account.as_str(), &path.bucket.as_str(), &path.key.as_str()],
            partial,
        )
        .await
}

pub(super) async fn forget(connection: &Connection, version: VersionId) -> Sql<()> {
    connection
        .run(
            "DELETE FROM partials WHERE version = $1",
            &[&version.to_string()],
        )
        .await?;
    Ok(())
}

fn partial(columns: &mut Columns<'_>) -> Sql<Partial> {
    Ok(Partial {
        version: columns.parsed(str::parse)?,
        account: columns.parsed(AccountName::parse)?,
        path: columns.path()?,
        parked: Parked {
            token: StagedToken(columns.value()?),
            size_bytes: columns.number()?,
            state: columns.value()?,
        },
        lost_at: columns.time()?,
    })
}

#[async_trait]
impl Partials for PostgresLedger {
    async fn park(&self, partial: Partial, audit: AuditRecord) -> Result<Option<Partial>> {
        self.enqueue(
            QUIETLY,
            "park a broken-off upload",
            (partial, audit),
            |c, (partial, audit)| Box::pin(park(c, partial, audit)),
        )
        .await
    }

    async fn find(&self, account: &AccountName, path: &ObjectPath) -> Result<Option<Partial>> {
        self.read(
            "look up a broken-off upload",
            (account, path),
            |c, (account, path)| Box::pin(async move { find(c, account, path).await }),
        )
        .await
    }

    async fn partials(&self) -> Result<Vec<Partial>> {
        self.read("list broken-off uploads", (), |c, ()| {
            Box::pin(async move {
                c.all(select_partials!("ORDER BY version"), &[], partial)
                    .await
            })
        })
        .await
    }

    async fn forget(&self, version: VersionId) -> Result<()> {
        self.enqueue(
            QUIETLY,
            "forget a broken-off upload",
            version,
            |c, version| Box::pin(forget(c, *version)),
        )
        .await
    }
}
