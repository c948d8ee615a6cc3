//! Reconciler `expect`: every slot past its cutoff is evaluated once, in order, also those that
//! passed while the node was down; a missed one raises an alert, a file that comes later
//! resolves it.

mod folder;
mod late;
mod slot;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::alert::user_of;
use qm_core::config::Config;
use qm_core::expectation::{Expectation, Slot};
use qm_core::id::RevisionNumber;
use qm_core::message_text::Fact;
use qm_core::name::Prefix;
use qm_core::{Error, Kind, Result};

use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler};
use late::Scanned;

/// An arrival gets its time before its transaction commits: a slot is evaluated only when one
/// that was in time is surely in the ledger.
const SETTLE: SignedDuration = SignedDuration::from_secs(5);

/// Evaluates expectations.
pub struct ExpectReconciler {
    ports: Ports,
    quiet: Mutex<Option<Quiet>>,
    /// The revision whose expectations the ledger was told of.
    known: Mutex<Option<RevisionNumber>>,
    scanned: Scanned,
}

/// Nothing can be due until `until`, so that passes woken by arrivals cost nothing.
#[derive(Clone, Copy)]
struct Quiet {
    revision: RevisionNumber,
    until: Option<Timestamp>,
}

/// The folder of an expectation, in the words of its alerts.
struct Subject {
    prefix: Prefix,
    folder: String,
    user: String,
}

impl ExpectReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            quiet: Mutex::new(None),
            known: Mutex::new(None),
            scanned: Scanned::default(),
        }
    }

    /// Evaluates what is due of one expectation; when the next slot is due.
    async fn evaluate(&self, expectation: &Expectation, config: &Config) -> Result<Pass> {
        let zone = TimeZone::get(&expectation.zone).map_err(|cause| {
            Error::new(Kind::Invalid, "the expectation's time zone is not known")
                .with("expectation", &expectation.name)
                .with("zone", &expectation.zone)
                .source(cause)
        })?;
        let now = self.ports.clock.now();
        let settled = now - SETTLE;
        let ledger = &self.ports.ledger;
        let begin = ledger.evaluated_until(&expectation.name, now).await?;
        let mut has_progressed = false;
        // The first that fails ends it: recording a later one would skip this one for ever.
        for slot in expectation.slots(&zone, begin, settled) {
            has_progressed |= slot::evaluate(&self.ports, config, expectation, slot).await?;
        }
        let next = expectation.next_slot(&zone, settled.max(begin));
        Ok(Pass {
            has_progressed,
            next: next.map(|slot| slot.cutoff.saturating_add(SETTLE).unwrap_or(Timestamp::MAX)),
        })
    }

    /// What a new revision no longer expects is not evaluated for the time it was gone, should it
    /// come back, and alerts nobody any more.
    async fn take_up(&self, revision: RevisionNumber, config: &Config) -> Result<()> {
        if *self.known.lock() == Some(revision) {
            return Ok(());
        }
        let kept: Vec<_> = config.expectations.keys().cloned().collect();
        let now = self.ports.clock.now();
        self.ports.ledger.retire(&kept, now).await?;
        // Files that were looked at under other rules may count now.
        self.scanned.forget();
        *self.known.lock() = Some(revision);
        Ok(())
    }

    fn is_quiet(&self, revision: RevisionNumber, now: Timestamp) -> Option<Pass> {
        let quiet = (*self.quiet.lock())?;
        let is_current = quiet.revision == revision && quiet.until.is_none_or(|until| now < until);
        is_current.then_some(Pass {
            has_progressed: false,
            next: quiet.until,
        })
    }
}

#[async_trait]
impl Reconciler for ExpectReconciler {
    fn name(&self) -> &'static str {
        "expect"
    }

    async fn pass(&self) -> Result<Pass> {
        let (revision, config) = self.ports.running();
        if let Some(pass) = self.is_quiet(revision, self.ports.clock.now()) {
            return Ok(pass);
        }
        let mut faults = Faults::default();
        let mut pass = Pass::default();
        faults.keep(self.take_up(revision, &config).await);
        for expectation in config.expectations.values() {
            let evaluated = self.evaluate(expectation, &config).await;
            if let Some(one) = faults.keep(evaluated) {
                pass = pass.at(one.next);
                pass.has_progressed |= one.has_progressed;
            }
        }
        let missed = late::look(&self.ports, &config, &self.scanned, &mut faults).await;
        pass.has_progressed |= missed.has_ended_some;
        let is_quiet = !faults.any() && !missed.has_open;
        *self.quiet.lock() = is_quiet.then_some(Quiet {
            revision,
            until: pass.next,
        });
        faults.or(pass)
    }
}

impl Subject {
    fn of(expectation: &Expectation, config: &Config) -> Self {
        let prefix = expectation.files.static_prefix();
        let bucket = expectation.files.bucket();
        let account = config.account_of(bucket, &prefix);
        Self {
            folder: if prefix.is_root() {
                bucket.to_string()
            } else {
                prefix.to_string()
            },
            user: user_of(account.map(|account| &account.name), expectation).to_owned(),
            prefix,
        }
    }

    /// What the placeholders of a configured text stand for.
    fn facts(&self, expectation: &Expectation, slot: &Slot) -> Vec<Fact> {
        vec![
            ("expectation", expectation.name.to_string()),
            ("partner", expectation.partner.to_string()),
            ("user", self.user.clone()),
            ("folder", self.folder.clone()),
            ("date", slot.date.to_string()),
            ("due", slot.due.to_string()),
        ]
    }
}
