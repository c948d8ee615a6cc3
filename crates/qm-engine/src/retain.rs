//! Reconciler `retain`: removes bytes that nothing needs any more: versions kept aside whose
//! deliveries have ended, and broken-off uploads that nobody resumed in time.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::id::{BucketName, VersionId};
use qm_core::ports::bucket::Place;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::driver::REST_MAX;
use crate::pace::Pace;
use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler};

/// Removes what nothing needs any more.
pub struct RetainReconciler {
    ports: Ports,
    /// Buckets that the configuration lost, to be logged once.
    lost: Mutex<BTreeSet<BucketName>>,
    partials: Pace,
}

impl RetainReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            lost: Mutex::default(),
            partials: Pace::default(),
        }
    }

    async fn release(&self, faults: &mut Faults) -> bool {
        let Some(releasable) = faults.keep(self.ports.ledger.releasable().await) else {
            return false;
        };
        let mut gone = Vec::new();
        for (bucket, version) in releasable {
            let discarded = self.discard(&bucket, version, Place::Kept).await;
            if faults.keep(discarded) == Some(true) {
                gone.push(version);
            }
        }
        if gone.is_empty() {
            return false;
        }
        let released = self.ports.ledger.released(&gone).await;
        if faults.keep(released).is_none() {
            return false;
        }
        tracing::debug!(versions = gone.len(), "versions kept aside released");
        true
    }

    /// False if the bucket is not in the running revision: its bytes stay until it is again.
    async fn discard(&self, bucket: &BucketName, version: VersionId, place: Place) -> Result<bool> {
        let Some(found) = self.ports.buckets.get(bucket) else {
            if self.lost.lock().insert(bucket.clone()) {
                tracing::warn!(%bucket, "not in the configuration; what it keeps aside stays");
            }
            return Ok(false);
        };
        self.lost.lock().remove(bucket);
        found.discard(version, place).await?;
        Ok(true)
    }

    /// Removes those whose time is over; when the next one's will be.
    async fn expire_all(&self, kept_for: Duration, now: Timestamp, faults: &mut Faults) -> Pass {
        let mut pass = Pass::default();
        let partials = faults.keep(self.ports.ledger.partials().await);
        for partial in partials.unwrap_or_default() {
            let ends_at = later(partial.lost_at, kept_for);
            if ends_at > now {
                pass = pass.at(Some(ends_at));
            } else {
                pass.has_progressed |= faults.keep(self.expire(&partial).await) == Some(true);
            }
        }
        pass
    }

    /// `Ok(true)` if it was removed. Staged bytes go first: a row without bytes begins anew when
    /// its account resumes, bytes without a row would be nobody's.
    async fn expire(&self, partial: &Partial) -> Result<bool> {
        let ledger = &self.ports.ledger;
        let now = ledger.find(&partial.account, &partial.path).await?;
        if now.as_ref() != Some(partial) {
            // Resumed or replaced since the scan.
            return Ok(false);
        }
        let bucket = &partial.path.bucket;
        if !self
            .discard(bucket, partial.version, Place::Staging)
            .await?
        {
            return Ok(false);
        }
        ledger.forget(partial.version).await?;
        tracing::info!(
            account = %partial.account,
            path = ?partial.path.to_string(),
            size_bytes = partial.size_bytes,
            "broken-off upload expired"
        );
        Ok(true)
    }
}

#[async_trait]
impl Reconciler for RetainReconciler {
    fn name(&self) -> &'static str {
        "retain"
    }

    async fn pass(&self) -> Result<Pass> {
        let (_, config) = self.ports.running();
        let now = self.ports.clock.now();
        let mut faults = Faults::default();
        let mut pass = Pass {
            has_progressed: self.release(&mut faults).await,
            next: None,
        };
        let kept_for = config.node.partial_kept;
        if let Some(until) = self.partials.rests_until(now, kept_for.min(REST_MAX)) {
            return faults.or(pass.at(Some(until)));
        }
        let expired = self.expire_all(kept_for, now, &mut faults).await;
        pass.has_progressed |= expired.has_progressed;
        if !faults.any() {
            self.partials.looked(now, expired.next);
        }
        faults.or(pass.at(expired.next))
    }
}

/// So long after `at`; the end of time if that is beyond it.
pub(crate) fn later(at: Timestamp, pause: Duration) -> Timestamp {
    SignedDuration::try_from(pause)
        .ok()
        .and_then(|pause| at.checked_add(pause).ok())
        .unwrap_or(Timestamp::MAX)
}
