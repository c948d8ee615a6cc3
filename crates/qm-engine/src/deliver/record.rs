//! How an attempt ended becomes a row, then a line in the log: every change of a delivery's state
//! that the engine makes goes through here.

use jiff::Timestamp;
use qm_core::Kind;
use qm_core::alert::{NewAlert, Text, dead_letter, dead_letter_key};
use qm_core::delivery::{Delivery, DeliveryState, Outcome, Transition};
use qm_core::id::NotifierName;
use std::time::Duration;

use super::job::Job;
use super::notifiers;
use super::rows::report_of;
use crate::alert::{lookup_key, screened_key};

/// Between attempts to record an outcome; doubles up to the longer one. The row stays `running`
/// until it is recorded, so giving up is no choice.
const RECORD_PAUSE_FIRST: Duration = Duration::from_secs(1);
const RECORD_PAUSE_MAX: Duration = Duration::from_secs(30);

/// What a dead letter's alert says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// That the delivery failed.
    Failed,
    /// That the file was too old to be delivered.
    Expired,
    /// That no way to the destination was found.
    NoWay,
    /// That the step `screen` rejected the file.
    Rejected,
}

impl Said {
    /// Of an attempt that found its way.
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Delivered(_)
            | Outcome::Loaded(_)
            | Outcome::Failed(_)
            | Outcome::Unclear(_) => Self::Failed,
            Outcome::Rejected(_) => Self::Rejected,
        }
    }

    /// The key of the one alert about all of the route, if each file is not told of: whoever
    /// uploads decides how many there are.
    fn shared_key(self, delivery: &Delivery) -> Option<String> {
        match self {
            Self::NoWay if delivery.destination.as_looked_up().is_some() => {
                Some(lookup_key(&delivery.route))
            }
            Self::Rejected => Some(screened_key(&delivery.route)),
            Self::Failed | Self::Expired | Self::NoWay => None,
        }
    }
}

/// Records how the attempt ended, as often as it takes; then says so in the log.
pub(super) async fn record(job: &Job, transition: Transition, said: Said) {
    let delivery = &job.delivery;
    let now = job.ports.clock.now();
    let alert = transition
        .is_dead_letter
        .then(|| alert(job, &transition, said, now));
    let mut pause = RECORD_PAUSE_FIRST;
    loop {
        let finished = job
            .ports
            .ledger
            .finish(delivery, transition.clone(), alert.clone(), now);
        match finished.await {
            Ok(()) => break,
            // Recorded by an earlier try whose answer was lost, or another worker's.
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {
                tracing::warn!(delivery = %delivery.id, error = error.chain(), "outcome not recorded");
                return;
            }
            Err(error) => {
                tracing::error!(
                    delivery = %delivery.id,
                    error = error.chain(),
                    "outcome not recorded yet, trying again"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(RECORD_PAUSE_MAX);
    }
    log(delivery, &transition);
}

fn alert(job: &Job, transition: &Transition, said: Said, now: Timestamp) -> NewAlert {
    let (delivery, reason) = (&job.delivery, transition.note.as_str());
    let mut notifiers = notifiers(delivery, &job.config);
    // Who wants to know of every load wants to know of one that failed.
    notifiers.extend(report_of(&job.config, &delivery.destination));
    let mut alert = match said {
        Said::Failed | Said::NoWay | Said::Rejected => {
            dead_letter(delivery, reason, notifiers, now)
        }
        Said::Expired => expired_alert(delivery, reason, notifiers, now),
    };
    if delivery.possible_duplicate || transition.possible_duplicate {
        alert.text.body.push_str(
            "\n\nAn attempt ended without an answer: the destination may have the file all the same. A \
             redrive asks it first.",
        );
    }
    if let Some(key) = said.shared_key(delivery) {
        let listing = format!(
            "quaymaster delivery list --state dead --route {}",
            delivery.route
        );
        alert.key = key;
        alert.text.body.push_str(
            "\n\nMore files of the route may come to the same end. There is no message about them until none \
             of its deliveries is given up any more.\nAll of them: ",
        );
        alert.text.body.push_str(&listing);
    }
    alert
}

/// The alert for a delivery whose file was too old to be delivered.
pub(super) fn expired_alert(
    delivery: &Delivery,
    reason: &str,
    notifiers: Vec<NotifierName>,
    at: Timestamp,
) -> NewAlert {
    NewAlert {
        key: dead_letter_key(delivery),
        text: Text {
            subject: format!(
                "Delivery of {} to {} expired",
                delivery.source, delivery.destination
            ),
            body: format!(
                "{} was not delivered to {} by route {}.\n\nReason: {reason}\n\nIf it is wanted all the \
                 same: raise `max_age` of the route, then quaymaster delivery redrive {}",
                delivery.source, delivery.destination, delivery.route, delivery.id
            ),
        },
        notifiers,
        at,
    }
}

fn log(delivery: &Delivery, transition: &Transition) {
    let (id, attempt) = (delivery.id, delivery.attempts);
    let (source, state) = (delivery.source.to_string(), transition.state.as_str());
    let (destination, note) = (delivery.destination.as_str(), &transition.note);
    let possible_duplicate = delivery.possible_duplicate || transition.possible_duplicate;
    if transition.is_uncounted {
        tracing::info!(%id, ?source, ?destination, state, note, "attempt put back");
        return;
    }
    if let Some(load) = &transition.load {
        let counts = load.counts;
        tracing::info!(
            %id, ?source, ?destination, engine = load.engine, table = ?load.table,
            status = load.status().as_str(), read = counts.read, inserted = counts.inserted,
            updated = counts.updated, unchanged = counts.unchanged, rejected = counts.rejected,
            superseded = counts.superseded, took_ms = transition.took.map(|took| took.as_millis()),
            "load ended"
        );
    }
    match transition.state {
        DeliveryState::Dead => {
            tracing::error!(
                %id, ?source, ?destination, attempt, state, note, possible_duplicate,
                "delivery failed"
            );
        }
        DeliveryState::Waiting { .. } | DeliveryState::Running { .. } => {
            tracing::warn!(
                %id, ?source, ?destination, attempt, state, note, possible_duplicate,
                "attempt failed"
            );
        }
        DeliveryState::Delivered
        | DeliveryState::Superseded
        | DeliveryState::Cancelled
        | DeliveryState::Purged => {
            tracing::info!(
                %id, ?source, ?destination, attempt, state, note, possible_duplicate,
                "delivery ended"
            );
        }
    }
}
