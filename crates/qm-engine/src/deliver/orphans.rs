//! Deliveries to destinations that the configuration lost: nobody would ever claim them, so they
//! would wait in silence. They are claimed here and become dead letters that say why.

use qm_core::Result;
use qm_core::config::Config;
use qm_core::ports::ledger::DeliveryFilter;
use std::collections::BTreeSet;

use super::DeliverReconciler;

/// Each is recorded at once, so only the ledger's patience limits it.
const BATCH: u32 = 64;

impl DeliverReconciler {
    /// True if there were any. Reads every waiting delivery, so it is asked only when something
    /// is ready that no configured destination takes.
    pub(super) async fn claim_orphans(&self, config: &Config) -> Result<bool> {
        let ledger = &self.ports.ledger;
        if ledger
            .next_ready()
            .await?
            .is_none_or(|at| at > self.ports.clock.now())
        {
            return Ok(false);
        }
        let waiting = DeliveryFilter {
            state: Some("waiting"),
            ..DeliveryFilter::default()
        };
        let orphaned: BTreeSet<_> = ledger
            .deliveries(waiting)
            .await?
            .into_iter()
            .map(|delivery| delivery.destination)
            .filter(|destination| !config.destinations.contains_key(destination))
            .collect();
        let mut any = false;
        for destination in orphaned {
            let room = BATCH.saturating_sub(self.running.at(&destination));
            if room > 0 {
                any |= self.claim(&destination, room).await? > 0;
            }
        }
        Ok(any)
    }
}
