//! What an account is refused is recorded before it is told (INV-9).

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;

use crate::Shared;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::{Error, Kind, Result};

/// Who acts, from where, on what: the common part of audit records.
#[derive(Clone)]
pub(crate) struct Act {
    /// The account, or the operator.
    pub(crate) actor: String,
    pub(crate) source: Option<IpAddr>,
    pub(crate) activity: Activity,
    pub(crate) subject: String,
}

impl Act {
    pub(crate) fn record(&self, at: Timestamp, decision: Decision) -> AuditRecord {
        AuditRecord {
            at,
            actor: self.actor.clone(),
            source: self.source,
            activity: self.activity,
            subject: self.subject.clone(),
            decision,
        }
    }
}

/// Refusals of one actor that are recorded one by one in a minute: a person who tries things
/// stays below it, a program that repeats one is counted.
const REFUSALS_A_MINUTE: u32 = 120;

/// Bounds what refused requests can make the audit grow.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Minute>>);

#[derive(Default)]
struct Minute {
    began: Timestamp,
    count: u32,
    /// The last that was only counted.
    skipped: Option<Act>,
}

#[derive(Debug, Eq, PartialEq)]
enum Counted {
    Record { unrecorded: u32 },
    Skip,
}

impl Refusals {
    fn count(&self, act: &Act, now: Timestamp) -> Counted {
        let mut actors = self.0.lock();
        let minute = actors.entry(act.actor.clone()).or_default();
        if now.duration_since(minute.began) >= SignedDuration::from_mins(1) || now < minute.began {
            let unrecorded = minute.unrecorded();
            *minute = Minute {
                began: now,
                count: 1,
                skipped: None,
            };
            return Counted::Record { unrecorded };
        }
        minute.count = minute.count.saturating_add(1);
        if minute.count > REFUSALS_A_MINUTE {
            minute.skipped = Some(act.clone());
            Counted::Skip
        } else {
            Counted::Record { unrecorded: 0 }
        }
    }

    /// What was only counted so far; counts begin anew.
    fn take_unrecorded(&self) -> Vec<(Act, u32)> {
        let actors = std::mem::take(&mut *self.0.lock());
        let skipped = actors.into_values().filter_map(|minute| {
            let unrecorded = minute.unrecorded();
            Some((minute.skipped?, unrecorded))
        });
        skipped.collect()
    }
}

impl Minute {
    fn unrecorded(&self) -> u32 {
        self.count.saturating_sub(REFUSALS_A_MINUTE)
    }
}

fn summary(unrecorded: u32) -> Decision {
    Decision::Denied(format!(
        "{unrecorded} more refusals in a minute, not recorded one by one"
    ))
}

impl Shared {
    /// Records the refusal or failure that `result` is, if any. Errors that only say what is
    /// there or not are part of normal life and not recorded.
    pub(crate) async fn recorded<T>(&self, act: &Act, result: Result<T>) -> Result<T> {
        let Err(error) = &result else { return result };
        let decision = match error.kind() {
            Kind::Refused | Kind::Unauthenticated => Decision::Denied(error.chain()),
            Kind::Bug | Kind::Limit | Kind::Timeout | Kind::Unavailable => {
                Decision::Failed(error.chain())
            }
            Kind::AlreadyExists
            | Kind::Conflict
            | Kind::Invalid
            | Kind::NotFound
            | Kind::Unsupported => {
                return result;
            }
        };
        let now = self.now();
        match self.refusals.count(act, now) {
            Counted::Record { unrecorded: 0 } => {}
            Counted::Record { unrecorded } => {
                self.append(act.record(now, summary(unrecorded))).await?;
            }
            Counted::Skip => return result,
        }
        self.append(act.record(now, decision)).await?;
        result
    }

    /// Records what was only counted. Nothing is left to refuse, so what cannot be recorded is logged.
    pub(crate) async fn flush_refusals(&self) {
        for (act, unrecorded) in self.refusals.take_unrecorded() {
            let record = act.record(self.now(), summary(unrecorded));
            if let Err(error) = self.append(record).await {
                tracing::error!(
                    actor = act.actor,
                    unrecorded,
                    error = error.chain(),
                    "Refusals could not be recorded"
                );
            }
        }
    }

    /// Records that something is about to be done.
    pub(crate) async fn allowed(&self, act: &Act) -> Result<()> {
        self.append(act.record(self.now(), Decision::Allowed)).await
    }

    async fn append(&self, record: AuditRecord) -> Result<()> {
        self.parts.ledger.append(record).await.map_err(|error| {
            Error::new(
                Kind::Unavailable,
                "the server cannot record this now; please try again later",
            )
            .during("append to the audit")
            .source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(actor: &str) -> Act {
        Act {
            actor: actor.to_owned(),
            source: None,
            activity: Activity::Open,
            subject: "landing/north/a.csv".to_owned(),
        }
    }

    #[test]
    fn what_was_only_counted_is_told_once_at_the_end() {
        let refusals = Refusals::default();
        let begin: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for _ in 0..REFUSALS_A_MINUTE + 30 {
            refusals.count(&act("north"), begin);
        }
        refusals.count(&act("south"), begin);
        let told = refusals.take_unrecorded();
        let told: Vec<(&str, u32)> = told
            .iter()
            .map(|(act, unrecorded)| (act.actor.as_str(), *unrecorded))
            .collect();
        assert_eq!(told, [("north", 30)]);
        assert!(refusals.take_unrecorded().is_empty(), "told again");
    }

    #[test]
    fn a_flood_is_counted_and_told_once() {
        let refusals = Refusals::default();
        let begin: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for _ in 0..REFUSALS_A_MINUTE {
            assert_eq!(
                refusals.count(&act("north"), begin),
                Counted::Record { unrecorded: 0 }
            );
        }
        for _ in 0..30 {
            assert_eq!(refusals.count(&act("north"), begin), Counted::Skip);
        }
        assert_eq!(
            refusals.count(&act("south"), begin),
            Counted::Record { unrecorded: 0 }
        );
        let later = begin + SignedDuration::from_mins(1);
        assert_eq!(
            refusals.count(&act("north"), later),
            Counted::Record { unrecorded: 30 }
        );
        assert_eq!(
            refusals.count(&act("north"), later),
            Counted::Record { unrecorded: 0 }
        );
    }
}
