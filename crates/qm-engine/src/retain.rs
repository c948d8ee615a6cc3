//! Reconciler `retain`: removes what nothing needs any more: kept versions that no delivery and no
//! retention of their bucket keeps, broken-off uploads that nobody resumed in time, dead
//! letters that nobody redrove in time, and events from outside that were done long ago.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::arrival::Partial;
use qm_core::config::Config;
use qm_core::id::{BucketName, VersionId};
use qm_core::operation::StagedToken;
use qm_core::ports::ledger::{KeptVersion, Retention};
use qm_core::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::driver::REST_MAX;
use crate::pace::Pace;
use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler, purge};

/// No source repeats a message that is older: SQS keeps them for fourteen days at most.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Enough to keep up with a thousand events a second in the passes that follow each other, few
/// enough to hold up no upload's commit.
const EVENTS_BATCH: u32 = 1_000;
/// Events grow old slowly.
const EVENTS_EVERY: Duration = Duration::from_hours(1);

/// Removes what nothing needs any more.
pub struct RetainReconciler {
    ports: Ports,
    /// Buckets that the configuration lost, to be logged once.
    lost: Mutex<BTreeSet<BucketName>>,
    partials: Pace,
    events: Pace,
    dead_letters: Pace,
}

impl RetainReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            lost: Mutex::default(),
            partials: Pace::default(),
            events: Pace::default(),
            dead_letters: Pace::default(),
        }
    }

    /// Removes the bytes of versions that the ledger has given up, then their rows. A version
    /// with several names goes when all its bytes are gone.
    async fn release(&self, config: &Config, now: Timestamp, faults: &mut Faults) -> bool {
        let retention = self.retention(config);
        let ledger = &self.ports.ledger;
        let releasable = ledger.releasable(&retention, now).await;
        let (mut gone, mut stays) = (BTreeSet::new(), BTreeSet::new());
        for kept in faults.keep(releasable).unwrap_or_default() {
            match faults.keep(self.release_one(&kept).await) {
                Some(()) => gone.insert(kept.version.id),
                None => stays.insert(kept.version.id),
            };
        }
        let gone: Vec<VersionId> = gone.difference(&stays).copied().collect();
        if gone.is_empty() || faults.keep(ledger.released(&gone).await).is_none() {
            return false;
        }
        tracing::debug!(versions = gone.len(), "kept versions released");
        true
    }

    async fn release_one(&self, kept: &KeptVersion) -> Result<()> {
        let bucket = self.ports.buckets.get(&kept.path.bucket);
        let bucket = bucket.ok_or_else(|| {
            Error::new(Kind::Unavailable, "the bucket is not there any more")
                .with("bucket", &kept.path.bucket)
        })?;
        bucket.release(kept.version.id, &kept.path.key).await
    }

    /// Of the buckets whose bytes can be removed: the others keep everything until they are back.
    fn retention(&self, config: &Config) -> BTreeMap<BucketName, Retention> {
        let buckets = config.buckets.iter();
        buckets
            .filter(|(name, _)| self.ports.buckets.get(name).is_some())
            .map(|(name, bucket)| {
                let retention = Retention {
                    versions: bucket.keep_versions,
                    age: bucket.keep_for,
                };
                (name.clone(), retention)
            })
            .collect()
    }

    /// False if the bucket is not in the running revision: its bytes stay until it is again.
    async fn discard(&self, bucket: &BucketName, token: &StagedToken) -> Result<bool> {
        let Some(found) = self.ports.buckets.get(bucket) else {
            if self.lost.lock().insert(bucket.clone()) {
                tracing::warn!(%bucket, "not in the configuration; its broken-off uploads stay");
            }
            return Ok(false);
        };
        self.lost.lock().remove(bucket);
        found.discard(token).await?;
        Ok(true)
    }

    /// Forgets events that were done long ago; true if there may be more of them.
    async fn forget_events(&self, now: Timestamp, faults: &mut Faults) -> bool {
        let rests_until = self.events.rests_until(now, EVENTS_EVERY);
        let before = now.checked_sub(EVENTS_KEPT);
        let (None, Ok(before)) = (rests_until, before) else {
            return false;
        };
        let forgotten = self.ports.ledger.forget_events(before, EVENTS_BATCH);
        match faults.keep(forgotten.await) {
            Some(EVENTS_BATCH) => true,
            Some(_) => {
                self.events.looked(now, None);
                false
            }
            None => false,
        }
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
        if let Some(token) = partial.parked.bytes()
            && !self.discard(bucket, token).await?
        {
            return Ok(false);
        }
        ledger.forget(partial.version).await?;
        tracing::info!(
            account = %partial.account,
            path = ?partial.path.to_string(),
            size_bytes = partial.parked.size_bytes,
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
        let released = self.release(&config, now, &mut faults).await;
        let forgot = self.forget_events(now, &mut faults).await;
        let purged = purge::look(&self.ports, &config, &self.dead_letters, &mut faults).await;
        let mut pass = Pass {
            has_progressed: released || forgot || purged,
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
