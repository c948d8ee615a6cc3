//! Broken-off uploads.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::audit::AuditRecord;
use qm_core::id::{AccountName, VersionId};
use qm_core::name::ObjectPath;
use qm_core::ports::ledger::Partials;

use super::MemoryLedger;

#[derive(Clone, Default)]
pub(super) struct State(Vec<Partial>);

impl State {
    pub(super) fn forget(&mut self, version: VersionId) {
        self.0.retain(|partial| partial.version != version);
    }

    fn find(&self, account: &AccountName, path: &ObjectPath) -> Option<&Partial> {
        self.0
            .iter()
            .find(|partial| partial.account == *account && partial.path == *path)
    }

    /// The one replaced, unless its bytes are the same.
    fn park(&mut self, partial: Partial) -> Option<Partial> {
        let replaced = self.find(&partial.account, &partial.path).cloned();
        if let Some(replaced) = &replaced {
            self.forget(replaced.version);
        }
        let token = partial.parked.token.clone();
        self.0.push(partial);
        replaced.filter(|replaced| replaced.parked.token != token)
    }
}

#[async_trait]
impl Partials for MemoryLedger {
    async fn park(&self, partial: Partial, audit: AuditRecord) -> Result<Option<Partial>> {
        self.write(|state| {
            let replaced = state.partials.park(partial);
            state.audit.append(audit);
            Ok(replaced)
        })
    }

    async fn find(&self, account: &AccountName, path: &ObjectPath) -> Result<Option<Partial>> {
        Ok(self.read(|state| state.partials.find(account, path).cloned()))
    }

    async fn partials(&self) -> Result<Vec<Partial>> {
        Ok(self.read(|state| {
            let mut partials = state.partials.0.clone();
            partials.sort_by_key(|partial| partial.version);
            partials
        }))
    }

    async fn forget(&self, version: VersionId) -> Result<()> {
        self.write(|state| {
            state.partials.forget(version);
            Ok(())
        })
    }
}
