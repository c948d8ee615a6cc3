//! The last look before an effect becomes visible.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::delivery::Delivery;
use qm_core::ports::connector::Fence;
use qm_core::ports::ledger::Ledger;
use qm_core::{Error, Kind, Result};
use std::sync::Arc;

use super::stall::Progress;

/// Closed once a newer version was delivered, or the delivery is another worker's.
pub(super) struct LedgerFence {
    ledger: Arc<dyn Ledger>,
    delivery: Delivery,
    progress: Arc<Progress>,
    was_closed: Mutex<bool>,
}

impl LedgerFence {
    pub(super) fn new(
        ledger: Arc<dyn Ledger>,
        delivery: Delivery,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            ledger,
            delivery,
            progress,
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
        if self.ledger.is_latest(&self.delivery).await? {
            return Ok(());
        }
        *self.was_closed.lock() = true;
        Err(Error::new(
            Kind::Conflict,
            "a newer version of the file was delivered first, or another node has taken over",
        ))
    }
}
