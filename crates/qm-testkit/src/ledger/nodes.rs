//! What nodes tell about themselves.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::ports::ledger::{NodeReport, Nodes};

use super::MemoryLedger;

#[derive(Clone, Default)]
pub(super) struct State(Option<NodeReport>);

#[async_trait]
impl Nodes for MemoryLedger {
    async fn report(&self, report: NodeReport) -> Result<()> {
        self.write(|state| {
            state.nodes.0 = Some(report);
            Ok(())
        })
    }

    async fn node(&self) -> Result<Option<NodeReport>> {
        Ok(self.read(|state| state.nodes.0.clone()))
    }
}
