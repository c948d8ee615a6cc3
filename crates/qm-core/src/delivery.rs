//! Deliveries: one arrival x one route x one destination. State is an enum, a transition is a
//! function; the engine only carries them out.

use jiff::Timestamp;

use crate::id::{ArrivalSeq, DeliveryId, DestinationName, RevisionNumber, RouteName};
use crate::name::ObjectPath;
use crate::operation::Version;
use crate::retry::{Next, RetryPolicy};
use crate::{Error, Kind, Retry};

/// Where a delivery stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DeliveryState {
    /// To be tried at this time.
    Waiting {
        /// Not before.
        ready_at: Timestamp,
    },
    /// Claimed by a worker, until the lease ends.
    Running {
        /// When another may claim it.
        lease_until: Timestamp,
    },
    /// Done and verified.
    Delivered,
    /// Out of attempts or refused; waits for a redrive.
    Dead,
    /// A newer version of the same source went to the same target.
    Superseded,
}

impl DeliveryState {
    /// The word in the ledger and on the terminal.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Running { .. } => "running",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }
}

/// A delivery as the ledger holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Deterministic id.
    pub id: DeliveryId,
    /// The arrival it delivers.
    pub arrival: ArrivalSeq,
    /// Where the object is.
    pub source: ObjectPath,
    /// The bytes it delivers.
    pub version: Version,
    /// By which route.
    pub route: RouteName,
    /// Where to.
    pub destination: DestinationName,
    /// The name at the destination, relative to it.
    pub target: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts begun since it was created or last redriven.
    pub attempts: u32,
    /// Goes up with every claim; a worker whose fence is old has lost the lease.
    pub fence: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// The revision under which it was created.
    pub revision: RevisionNumber,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What route reconciler asks to be created.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewDelivery {
    /// Deterministic id.
    pub id: DeliveryId,
    /// By which route.
    pub route: RouteName,
    /// Where to.
    pub destination: DestinationName,
    /// The name at the destination, relative to it.
    pub target: String,
}

/// How an attempt ended, as the connector says.
#[derive(Debug)]
pub enum Outcome {
    /// Done and verified; a sentence for the record.
    Delivered(String),
    /// Not done; the error's verdict says whether to try again.
    Failed(Error),
}

/// What an attempt's outcome makes of a delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// The new state.
    pub state: DeliveryState,
    /// What `attempt list` shows.
    pub note: String,
    /// True if somebody must be told: it became a dead letter.
    pub is_dead_letter: bool,
}

/// The transition after attempt number `attempt` (from 1).
pub fn after_attempt(
    policy: &RetryPolicy,
    attempt: u32,
    outcome: &Outcome,
    now: Timestamp,
) -> Transition {
    match outcome {
        Outcome::Delivered(note) => Transition {
            state: DeliveryState::Delivered,
            note: note.clone(),
            is_dead_letter: false,
        },
        Outcome::Failed(error) => match policy.after_failure(attempt, verdict(error)) {
            Next::After(pause) => Transition {
                state: DeliveryState::Waiting {
                    ready_at: now
                        + jiff::SignedDuration::try_from(pause)
                            .unwrap_or(jiff::SignedDuration::MAX),
                },
                note: error.chain(),
                is_dead_letter: false,
            },
            Next::GiveUp => Transition {
                state: DeliveryState::Dead,
                note: error.chain(),
                is_dead_letter: true,
            },
        },
    }
}

/// Whether what failed is tried again, a delivery or a message: a bug in one attempt is, for the
/// next may not meet it and the attempts are bounded.
pub fn verdict(error: &Error) -> Retry {
    match (error.kind(), error.retry_verdict()) {
        (Kind::Bug, Retry::Never) => Retry::Later,
        (_, verdict) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: Kind) -> Outcome {
        Outcome::Failed(Error::new(kind, "no"))
    }

    #[test]
    fn an_attempt_ends_in_exactly_one_state() {
        let now = Timestamp::UNIX_EPOCH;
        let policy = RetryPolicy::lambda();
        let state =
            |attempt, outcome: &Outcome| after_attempt(&policy, attempt, outcome, now).state;
        assert_eq!(
            state(1, &Outcome::Delivered(String::new())),
            DeliveryState::Delivered
        );
        let in_a_minute = now + jiff::SignedDuration::from_mins(1);
        assert_eq!(
            state(1, &failed(Kind::Unavailable)),
            DeliveryState::Waiting {
                ready_at: in_a_minute
            }
        );
        assert_eq!(state(3, &failed(Kind::Unavailable)), DeliveryState::Dead);
        assert_eq!(state(1, &failed(Kind::Refused)), DeliveryState::Dead);
        assert_eq!(
            state(1, &failed(Kind::Bug)),
            DeliveryState::Waiting {
                ready_at: in_a_minute
            }
        );
    }
}
