//! Attempts that were interrupted, by a crash of this node or by the end of another: the
//! destination is asked before anything is sent again.

use qm_core::delivery::{DeliveryState, Effect, Outcome};
use qm_core::{Error, Kind, Result};

use super::attempt::{self, expires_at, transition};
use super::job::Job;
use super::record::{Said, record};
use super::{stall, way};

/// Finds out what became of the interrupted attempt and records it.
pub(super) async fn reconcile(job: Job) {
    let now = job.ports.clock.now();
    // Raised by the process that was interrupted; the next attempt is another one.
    let key = stall::key(job.delivery.id);
    if let Err(error) = job.ports.ledger.resolve(&key, None, now).await {
        tracing::warn!(delivery = %job.delivery.id, error = error.chain(), "alert not resolved");
    }
    let Some(outcome) = outcome(&job).await else {
        // Now it is known where the question counts. The row still says that the attempt runs, so it
        // is found again, and asked there as soon as one may.
        return;
    };
    let mut transition = transition(&job, &outcome, expires_at(&job));
    // It was not the destination that failed, so there is nothing to wait for; the attempt
    // counts all the same: one that brings the node down must not be begun for ever.
    if let DeliveryState::Waiting { ready_at } = &mut transition.state {
        *ready_at = now;
    }
    record(&job, transition, Said::Failed).await;
}

/// `None` if the one to ask is not where the question counts.
async fn outcome(job: &Job) -> Option<Outcome> {
    let interrupted = Error::new(
        Kind::Unavailable,
        "the attempt was interrupted by a stop of its node",
    );
    // It looks before it takes anything away, so it can be done again.
    if job.delivery.effect != Effect::Put {
        return Some(Outcome::Failed(interrupted));
    }
    Some(match asked(job).await {
        Ok(Answer::Elsewhere) => return None,
        Ok(Answer::Delivered(outcome)) => outcome,
        Ok(Answer::Absent) => Outcome::Failed(interrupted),
        Ok(Answer::NotFound) => Outcome::Unclear(interrupted),
        Err(cause) => Outcome::Unclear(interrupted.source(cause)),
    })
}

/// What the destination says of a delivery.
enum Answer {
    /// Nothing yet: another one is to be asked.
    Elsewhere,
    /// It has it.
    Delivered(Outcome),
    /// It never had it.
    Absent,
    /// It does not have it; whoever owns the destination may have taken it away.
    NotFound,
}

async fn asked(job: &Job) -> Result<Answer> {
    let found = way::find(job).await?;
    if found.place != *job.place() {
        return Ok(Answer::Elsewhere);
    }
    let connector = found.way.connector.as_ref();
    let note = "found at the destination after a restart";
    let outcome = attempt::found(job, connector, &found.shipment(job), note).await?;
    Ok(match (outcome, connector.proves_absence()) {
        (Some(outcome), _) => Answer::Delivered(outcome),
        (None, true) => Answer::Absent,
        (None, false) => Answer::NotFound,
    })
}
