//! Deliveries: one arrival x one route x one destination. State is an enum, a transition is a
//! function; the engine only carries them out.

use jiff::Timestamp;
use std::time::Duration;

use crate::alert::Notice;
use crate::id::{ArrivalSeq, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName};
use crate::load::Load;
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
    /// Claimed by a node, whose own lease it shares.
    Running {
        /// Which.
        node: NodeName,
    },
    /// Done and verified.
    Delivered,
    /// Out of attempts or refused; waits for a redrive.
    Dead,
    /// A newer version of the same source went to the same target.
    Superseded,
    /// An operator gave it up.
    Cancelled,
    /// It was dead for as long as dead letters are kept, or until an operator purged it.
    Purged,
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
            Self::Cancelled => "cancelled",
            Self::Purged => "purged",
        }
    }

    /// Whether an attempt can come to it.
    pub fn ends_attempt(&self) -> bool {
        match self {
            Self::Waiting { .. } | Self::Delivered | Self::Dead | Self::Superseded => true,
            Self::Running { .. } | Self::Cancelled | Self::Purged => false,
        }
    }

    /// When it is to be tried, if it waits for that.
    pub fn ready_at(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { ready_at } => Some(*ready_at),
            Self::Running { .. }
            | Self::Delivered
            | Self::Dead
            | Self::Superseded
            | Self::Cancelled
            | Self::Purged => None,
        }
    }
}

/// What a delivery does at its destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The version's bytes are put there.
    Put,
    /// What this delivery put there is taken away: its object departed.
    Remove {
        /// The delivery that put it there, or was to.
        of: DeliveryId,
    },
}

impl Effect {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Remove { .. } => "remove",
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
    /// What it does there.
    pub effect: Effect,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts begun since it was created or last redriven.
    pub attempts: u32,
    /// True once an attempt ended in a way that nobody can know: the destination may have got it
    /// twice.
    pub possible_duplicate: bool,
    /// Goes up with every claim; a worker whose fence is old has lost the lease.
    pub fence: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// The revision under which it was created.
    pub revision: RevisionNumber,
    /// When its file arrived.
    pub arrived_at: Timestamp,
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
    /// The name at the destination, relative to it; part of the ordering key.
    pub target: String,
    /// True if the route does something to the object when it is delivered.
    pub has_after: bool,
    /// True if it waits for older ones of its ordering key only while they run.
    pub is_independent: bool,
    /// True if it adds to what is there: it takes the place of none, and none that is there takes its
    /// own. See [`crate::config::Config::adds`].
    pub adds: bool,
}

/// Something to be done to an object now that its deliveries have ended, see
/// [`crate::config::AfterDelivery`] and [`crate::screen::Screen::quarantine`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The delivery that asks for it.
    pub delivery: DeliveryId,
    /// Its route.
    pub route: RouteName,
    /// Where the object was.
    pub source: ObjectPath,
    /// The version it is about; no other is touched.
    pub version: Version,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Why.
    pub why: FinishedWhy,
}

/// Why something is done to an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FinishedWhy {
    /// Every delivery of its version has ended well.
    Delivered,
    /// The step `screen` rejected it.
    Rejected,
}

/// How an attempt ended, as the connector says.
#[derive(Debug)]
pub enum Outcome {
    /// Done and verified; a sentence for the record.
    Delivered(String),
    /// The rows of the file are in the table, but for those that it rejected.
    Loaded(Load),
    /// Not done; the error's verdict says whether to try again.
    Failed(Error),
    /// Perhaps done: the line was lost between the last step and its answer.
    Unclear(Error),
    /// The step `screen` says that it must not be sent.
    Rejected(Error),
}

/// What an attempt's outcome makes of a delivery.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says something of its own, and most transitions say none of it"
)]
pub struct Transition {
    /// The new state.
    pub state: DeliveryState,
    /// What `attempt list` shows.
    pub note: String,
    /// True if somebody must be told: it became a dead letter.
    pub is_dead_letter: bool,
    /// True if the destination may have got it.
    pub possible_duplicate: bool,
    /// True if the object goes to quarantine.
    pub is_rejected: bool,
    /// True if the attempt does not count: nothing was tried.
    pub is_uncounted: bool,
    /// What became of its rows, if it went into a table.
    pub load: Option<Load>,
    /// How long the attempt took that loaded them, without what it waited for others; `None` if
    /// nobody knows.
    pub took: Option<Duration>,
    /// What those are told who want to know of it.
    pub notice: Option<Notice>,
}

impl Transition {
    /// True if the attempt did not do what it was to do.
    pub fn is_failure(&self) -> bool {
        match self.state {
            DeliveryState::Waiting { .. } | DeliveryState::Dead => !self.is_uncounted,
            DeliveryState::Running { .. }
            | DeliveryState::Delivered
            | DeliveryState::Superseded
            | DeliveryState::Cancelled
            | DeliveryState::Purged => false,
        }
    }

    /// To be done no more, whatever is asked of a dead letter.
    pub fn ended(state: DeliveryState, note: String) -> Self {
        Self {
            state,
            note,
            is_dead_letter: false,
            possible_duplicate: false,
            is_rejected: false,
            is_uncounted: false,
            load: None,
            took: None,
            notice: None,
        }
    }

    /// Nothing was tried: it waits as it did before, until `ready_at`.
    pub fn put_back(ready_at: Timestamp, note: String) -> Self {
        Self {
            is_uncounted: true,
            ..Self::ended(DeliveryState::Waiting { ready_at }, note)
        }
    }
}

/// The transition after attempt number `attempt` (from 1).
pub fn after_attempt(
    policy: &RetryPolicy,
    attempt: u32,
    outcome: &Outcome,
    now: Timestamp,
) -> Transition {
    let (error, possible_duplicate, is_rejected) = match outcome {
        Outcome::Delivered(note) => {
            return Transition::ended(DeliveryState::Delivered, note.clone());
        }
        Outcome::Loaded(load) => {
            return Transition {
                load: Some(load.clone()),
                ..Transition::ended(DeliveryState::Delivered, load.note())
            };
        }
        Outcome::Failed(error) => (error, false, false),
        Outcome::Unclear(error) => (error, true, false),
        Outcome::Rejected(error) => (error, false, true),
    };
    let next = if is_rejected {
        Next::GiveUp
    } else {
        policy.after_failure(attempt, verdict(error))
    };
    let pause = |pause| jiff::SignedDuration::try_from(pause).unwrap_or(jiff::SignedDuration::MAX);
    let state = match next {
        Next::After(after) => DeliveryState::Waiting {
            ready_at: now + pause(after),
        },
        Next::GiveUp => DeliveryState::Dead,
    };
    Transition {
        is_dead_letter: state == DeliveryState::Dead,
        state,
        note: error.chain(),
        possible_duplicate,
        is_rejected,
        is_uncounted: false,
        load: None,
        took: None,
        notice: None,
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

    fn refused() -> Error {
        Error::new(Kind::Refused, "no")
    }

    #[test]
    fn an_attempt_ends_in_exactly_one_state() {
        let now = Timestamp::UNIX_EPOCH;
        let policy = RetryPolicy::lambda();
        let state = |attempt, outcome: &Outcome| {
            let transition = after_attempt(&policy, attempt, outcome, now);
            assert_eq!(
                transition.is_dead_letter,
                transition.state == DeliveryState::Dead
            );
            transition.state
        };
        let in_a_minute = DeliveryState::Waiting {
            ready_at: now + jiff::SignedDuration::from_mins(1),
        };
        let unclear = |kind| Outcome::Unclear(Error::new(kind, "no"));
        for (attempt, outcome, expect) in [
            (
                1,
                Outcome::Delivered(String::new()),
                DeliveryState::Delivered,
            ),
            (1, failed(Kind::Unavailable), in_a_minute.clone()),
            (3, failed(Kind::Unavailable), DeliveryState::Dead),
            (1, failed(Kind::Refused), DeliveryState::Dead),
            (1, failed(Kind::Bug), in_a_minute.clone()),
            (1, unclear(Kind::Timeout), in_a_minute),
            (3, unclear(Kind::Timeout), DeliveryState::Dead),
            (1, Outcome::Rejected(refused()), DeliveryState::Dead),
            // What screening says is final, whatever verdict its error carries.
            (
                1,
                Outcome::Rejected(refused().retry(Retry::Later)),
                DeliveryState::Dead,
            ),
        ] {
            assert_eq!(state(attempt, &outcome), expect, "{attempt} {outcome:?}");
        }
    }

    #[test]
    fn what_is_put_back_is_no_failure() {
        let now = Timestamp::UNIX_EPOCH;
        let back = Transition::put_back(now, "elsewhere".to_owned());
        assert_eq!(back.state, DeliveryState::Waiting { ready_at: now });
        assert!(back.is_uncounted && !back.is_failure() && !back.is_dead_letter);
        let failed = after_attempt(&RetryPolicy::lambda(), 1, &failed(Kind::Timeout), now);
        assert!(failed.is_failure() && !failed.is_uncounted);
    }

    #[test]
    fn what_is_unclear_is_flagged_and_what_is_rejected_goes_to_quarantine() {
        let flags = |outcome| {
            let transition =
                after_attempt(&RetryPolicy::lambda(), 1, &outcome, Timestamp::UNIX_EPOCH);
            (
                transition.possible_duplicate,
                transition.is_rejected,
                transition.note,
            )
        };
        let said = |text: &str| text.to_owned();
        assert_eq!(
            flags(Outcome::Delivered(said("done"))),
            (false, false, said("done"))
        );
        assert_eq!(flags(failed(Kind::Refused)), (false, false, said("no")));
        assert_eq!(
            flags(Outcome::Unclear(refused())),
            (true, false, said("no"))
        );
        assert_eq!(
            flags(Outcome::Rejected(refused())),
            (false, true, said("no"))
        );
    }
}
