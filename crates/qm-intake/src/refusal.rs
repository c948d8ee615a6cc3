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
}

#[derive(Debug, Eq, PartialEq)]
enum Counted {
    Record { unrecorded: u32 },
    Skip,
}

impl Refusals {
    fn count(&self, actor: &str, now: Timestamp) -> Counted {
        let mut actors = self.0.lock();
        let minute = actors.entry(actor.to_owned()).or_default();
        if now.duration_since(minute.began) >= SignedDuration::from_mins(1) || now < minute.began {
            let unrecorded = minute.count.saturating_sub(REFUSALS_A_MINUTE);
            *minute = Minute {
                began: now,
                count: 1,
            };
            return Counted::Record { unrecorded };
        }
        minute.count = minute.count.saturating_add(1);
        if minute.count > REFUSALS_A_MINUTE {
            Counted::Skip
        } else {
            Counted::Record { unrecorded: 0 }
        }
    }
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
        match self.refusals.count(&act.actor, now) {
            Counted::Record { unrecorded: 0 } => {}
            Counted::Record { unrecorded } => {
                let reason =
                    format!("{unrecorded} more refusals in a minute, not recorded one by one");
                self.append(act.record(now, Decision::Denied(reason)))
                    .await?;
            }
            Counted::Skip => return result,
        }
        self.append(act.record(now, decision)).await?;
        result
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

    #[test]
    fn a_flood_is_counted_and_told_once() {
        let refusals = Refusals::default();
        let begin: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for _ in 0..REFUSALS_A_MINUTE {
            assert_eq!(
                refusals.count("north", begin),
                Counted::Record { unrecorded: 0 }
            );
        }
        for _ in 0..30 {
            assert_eq!(refusals.count("north", begin), Counted::Skip);
        }
        assert_eq!(
            refusals.count("south", begin),
            Counted::Record { unrecorded: 0 }
        );
        let later = begin + SignedDuration::from_mins(1);
        assert_eq!(
            refusals.count("north", later),
            Counted::Record { unrecorded: 30 }
        );
        assert_eq!(
            refusals.count("north", later),
            Counted::Record { unrecorded: 0 }
        );
    }
}
