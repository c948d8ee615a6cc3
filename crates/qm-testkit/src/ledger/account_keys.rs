//! Credentials added while running.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::account::SshPublicKey;
use qm_core::audit::AuditRecord;
use qm_core::id::AccountName;
use qm_core::ports::ledger::{AccountKeys, AddedKey};

use super::MemoryLedger;

#[derive(Clone, Default)]
pub(super) struct State(Vec<AddedKey>);

impl State {
    fn position(&self, account: &AccountName, key: &SshPublicKey) -> Option<usize> {
        self.0
            .iter()
            .position(|added| added.account == *account && added.key == *key)
    }
}

#[async_trait]
impl AccountKeys for MemoryLedger {
    async fn add_key(&self, key: AddedKey, audit: AuditRecord) -> Result<bool> {
        self.write(|state| {
            let is_new = state
                .account_keys
                .position(&key.account, &key.key)
                .is_none();
            if is_new {
                state.account_keys.0.push(key);
                state.audit.append(audit);
            }
            Ok(is_new)
        })
    }

    async fn remove_key(
        &self,
        account: &AccountName,
        key: &SshPublicKey,
        audit: AuditRecord,
    ) -> Result<bool> {
        self.write(|state| {
            let position = state.account_keys.position(account, key);
            if let Some(position) = position {
                state.account_keys.0.remove(position);
                state.audit.append(audit);
            }
            Ok(position.is_some())
        })
    }

    async fn keys(&self) -> Result<Vec<AddedKey>> {
        Ok(self.read(|state| state.account_keys.0.clone()))
    }
}
