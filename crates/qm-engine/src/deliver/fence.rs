//! The last look before an effect becomes visible.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::delivery::Delivery;
use qm_core::ports::connector::Fence;
use qm_core::ports::ledger::Ledger;
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use super::job::Job;
use super::stall::Progress;

/// Closed once a newer version was delivered, or the delivery is another worker's. Where rows are added
/// nothing newer closes it.
pub(super) struct LedgerFence {
    ledger: Arc<dyn Ledger>,
    delivery: Delivery,
    adds: bool,
    progress: Arc<Progress>,
    was_closed: Mutex<bool>,
}

impl LedgerFence {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            ledger: Arc::clone(&job.ports.ledger),
            delivery: job.delivery.clone(),
            // By what the destination does now, whatever it did when the file arrived.
            adds: job.config.adds(&job.delivery.destination),
            progress: Arc::clone(&job.progress),
            was_closed: Mutex::new(false),
        }
    }

    /// True if a check found it closed: the delivery is superseded, not failed.
    pub(super) fn was_closed(&self) -> bool {
        *self.was_closed.lock()
    }
}

#[async_trait]
impl Fence for LedgerFence {
    async fn check(&self) -> Result<()> {
        self.progress.moves();
        let is_open = if self.adds {
            self.ledger.is_held(&self.delivery).await?
        } else {
            self.ledger.is_latest(&self.delivery).await?
        };
        if is_open {
            return Ok(());
        }
        *self.was_closed.lock() = true;
        Err(Error::new(
            Kind::Conflict,
            "a newer version of the file was delivered first, or another node has taken over",
        ))
    }
}
