//! Credentials added while running.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::account::SshPublicKey;
use qm_core::audit::AuditRecord;
use qm_core::id::AccountName;
use qm_core::ports::ledger::{AccountKeys, AddedKey};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Statements as _, micros};
use super::{SqliteLedger, audit};
use crate::words::key_material;

fn add(connection: &Connection, added: &AddedKey, record: &AuditRecord) -> Sql<bool> {
    let count = connection.run(
        "INSERT INTO account_keys (account, material, line, added_at)
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        (
            added.account.as_str(),
            key_material(&added.key),
            added.key.as_str(),
            micros(added.added_at),
        ),
    )?;
    record_if(connection, count > 0, record)
}

fn remove(
    connection: &Connection,
    account: &AccountName,
    key: &SshPublicKey,
    record: &AuditRecord,
) -> Sql<bool> {
    let count = connection.run(
        "DELETE FROM account_keys WHERE account = ?1 AND material = ?2",
        (account.as_str(), key_material(key)),
    )?;
    record_if(connection, count > 0, record)
}

fn record_if(connection: &Connection, is_changed: bool, record: &AuditRecord) -> Sql<bool> {
    if is_changed {
        audit::append(connection, record)?;
    }
    Ok(is_changed)
}

#[async_trait]
impl AccountKeys for SqliteLedger {
    async fn add_key(&self, key: AddedKey, audit: AuditRecord) -> Result<bool> {
        self.write("add a key", move |c| add(c, &key, &audit)).await
    }

    async fn remove_key(
        &self,
        account: &AccountName,
        key: &SshPublicKey,
        audit: AuditRecord,
    ) -> Result<bool> {
        let (account, key) = (account.clone(), key.clone());
        self.write("remove a key", move |c| remove(c, &account, &key, &audit))
            .await
    }

    async fn keys(&self) -> Result<Vec<AddedKey>> {
        self.read("list keys", |c| {
            c.all(
                "SELECT account, line, added_at FROM account_keys ORDER BY rowid",
                [],
                |columns| {
                    Ok(AddedKey {
                        account: columns.parsed(AccountName::parse)?,
                        key: columns.parsed(SshPublicKey::parse)?,
                        added_at: columns.time()?,
                    })
                },
            )
        })
        .await
    }
}
