//! Where something waits, a number of destinations at a time and all in turn, without those
//! whose last claim failed.

use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::id::DestinationName;
use qm_core::ports::ledger::Ledger;
use qm_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::retain::later;

/// Whoever names folders makes as many destinations as they like; the rest has its turn in the
/// next pass.
const DESTINATIONS_MAX: u32 = 1000;
/// How long a destination is left alone whose claim failed while others worked.
const FAILED_PAUSE: Duration = Duration::from_secs(30);

/// Where something waits.
#[derive(Default)]
pub(super) struct Due {
    /// How far the last look came, if there was more.
    looked_to: Mutex<Option<DestinationName>>,
    failed: Mutex<BTreeMap<DestinationName, Timestamp>>,
}

impl Due {
    /// The destinations whose turn it is.
    pub(super) async fn look(
        &self,
        ledger: &dyn Ledger,
        now: Timestamp,
    ) -> Result<BTreeSet<DestinationName>> {
        let from = self.looked_to.lock().take();
        let mut due = ledger
            .waiting_at(now, from.as_ref(), DESTINATIONS_MAX)
            .await?;
        let left = DESTINATIONS_MAX.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
        if left > 0 && from.is_some() {
            due.extend(ledger.waiting_at(now, None, left).await?);
        }
        if u32::try_from(due.len()).is_ok_and(|count| count >= DESTINATIONS_MAX) {
            *self.looked_to.lock() = due.last().cloned();
        }
        let mut failed = self.failed.lock();
        failed.retain(|_, until| *until > now);
        let mut due: BTreeSet<_> = due.into_iter().collect();
        due.retain(|destination| !failed.contains_key(destination));
        Ok(due)
    }

    /// The claim for it failed, and others did not.
    pub(super) fn failed(&self, destination: &DestinationName, error: &Error, now: Timestamp) {
        tracing::warn!(destination = ?destination.as_str(), error = error.chain(), "deliveries not claimed");
        let until = later(now, FAILED_PAUSE);
        self.failed.lock().insert(destination.clone(), until);
    }

    /// When the first of those comes up again.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.failed.lock().values().min().copied()
    }
}
