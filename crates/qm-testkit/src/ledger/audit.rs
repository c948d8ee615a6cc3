//! The audit.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::audit::AuditRecord;
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::Audit;

use super::{MemoryLedger, newest, next_number};

#[derive(Clone, Default)]
pub(super) struct State(Vec<(i64, AuditRecord)>);

impl State {
    pub(super) fn append(&mut self, record: AuditRecord) {
        self.0.push((next_number(self.0.len()), record));
    }
}

#[async_trait]
impl Audit for MemoryLedger {
    fn append(&self, record: AuditRecord) -> BoxFuture<Result<()>> {
        let result = self.write(|state| {
            state.audit.append(record);
            Ok(())
        });
        Box::pin(async { result })
    }

    async fn audit(&self, limit: u32) -> Result<Vec<(i64, AuditRecord)>> {
        Ok(self.read(|state| newest(&state.audit.0, limit)))
    }
}
