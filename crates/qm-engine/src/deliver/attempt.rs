//! One attempt: find the way, see that the file may be sent, open the version's bytes, let the
//! connector deliver them, record what came of it.

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome, Transition, after_attempt};
use qm_core::ports::connector::{Connector, Shipment};
use qm_core::{Error, Kind, Result};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use super::content::VersionContent;
use super::fence::LedgerFence;
use super::job::Job;
use super::record::{Said, record};
use super::way::{self, Found};
use super::{rows, screen};
use crate::driver::panicked;
use crate::retain::later;

/// Attempts the delivery and records the outcome.
pub(super) async fn attempt(mut job: Job) {
    let expires_at = expires_at(&job);
    if let Some(expired) = expired(&job, expires_at) {
        let transition = transition(&job, &Outcome::Failed(expired), expires_at);
        return record(&job, transition, Said::Expired).await;
    }
    let found = way::find(&job).await;
    if let Ok(found) = &found
        && found.place != *job.place()
    {
        let note = format!(
            "it leads to destination `{}`; an attempt begins there as soon as one may, and this one does not count",
            found.place
        );
        let transition = Transition::put_back(job.ports.clock.now(), note);
        return record(&job, transition, Said::Failed).await;
    }
    if let Ok(found) = &found
        && found.target != job.delivery.target
        && !take_name(&mut job, &found.target).await
    {
        return;
    }
    let fence = LedgerFence::new(&job);
    let began_at = job.ports.clock.now();
    let (outcome, said) = match found {
        Ok(found) => {
            let performed = match job.delivery.effect {
                Effect::Put => rows::told(&job, perform(&job, &found, &fence)).await,
                Effect::Remove { .. } => remove(&job, &found, &fence).await,
            };
            let outcome = performed.unwrap_or_else(Outcome::Failed);
            let said = Said::of(&outcome);
            (outcome, said)
        }
        Err(error) => (Outcome::Failed(error), Said::NoWay),
    };
    let mut transition = match &outcome {
        // Recorded only while the delivery is ours, so it is not another node that has it.
        Outcome::Failed(_) if fence.was_closed() => Transition::ended(
            DeliveryState::Superseded,
            "a newer version of the file was delivered first, or it was removed".to_owned(),
        ),
        Outcome::Delivered(_)
        | Outcome::Loaded(_)
        | Outcome::Failed(_)
        | Outcome::Unclear(_)
        | Outcome::Rejected(_) => transition(&job, &outcome, expires_at),
    };
    match (&job.rows, &transition.load) {
        (so_far, Some(_)) => {
            let waited = so_far
                .as_ref()
                .map_or(SignedDuration::ZERO, rows::RowsSoFar::waited);
            let took = job.ports.clock.now().duration_since(began_at);
            transition.took = Duration::try_from(took.saturating_sub(waited)).ok();
        }
        (Some(rows), None) => rows.tell(&job).await,
        (None, None) => {}
    }
    record(&job, transition, said).await;
}

/// The lookup says another name than was known before: from now on the delivery is in line with
/// those to that name. False if this attempt is over: another of them goes first, or the ledger could
/// not say; then the attempt counts as failed.
async fn take_name(job: &mut Job, target: &str) -> bool {
    let now = job.ports.clock.now();
    let ledger = &job.ports.ledger;
    match ledger.retarget(&job.delivery, target, now).await {
        Ok(true) => {
            target.clone_into(&mut job.delivery.target);
            true
        }
        Ok(false) => {
            tracing::info!(delivery = %job.delivery.id, ?target, "waits for another delivery to the same name");
            false
        }
        Err(error) => {
            let outcome = Outcome::Failed(error);
            let transition = transition(job, &outcome, expires_at(job));
            record(job, transition, Said::Failed).await;
            false
        }
    }
}

/// Takes away what was delivered.
async fn remove(job: &Job, found: &Found, fence: &LedgerFence) -> Result<Outcome> {
    let copies = job.ports.ledger.copies(&job.delivery).await?;
    let (shipment, connector) = (found.shipment(job), found.way.connector.as_ref());
    let removed = connector.remove(&shipment, &copies, fence);
    let outcome = AssertUnwindSafe(removed).catch_unwind().await;
    let outcome = outcome
        .unwrap_or_else(|panic| Outcome::Failed(panicked(panic.as_ref()).during("removing")));
    job.report.heard(&outcome);
    Ok(outcome)
}

/// What an attempt whose end nobody knew comes to, if the destination has the delivery.
pub(super) async fn found(
    job: &Job,
    connector: &dyn Connector,
    shipment: &Shipment<'_>,
    note: &str,
) -> Result<Option<Outcome>> {
    if !ask(job, connector, shipment).await? {
        return Ok(None);
    }
    // Without its rows a load is neither counted nor reported.
    Ok(Some(match connector.loaded(shipment).await? {
        Some(load) => Outcome::Loaded(load),
        None => Outcome::Delivered(note.to_owned()),
    }))
}

/// Asks the destination whether it has the delivery, and says in the job's report how it fares.
async fn ask(job: &Job, connector: &dyn Connector, shipment: &Shipment<'_>) -> Result<bool> {
    let answer = AssertUnwindSafe(connector.is_delivered(shipment))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref()).during("asking the destination")));
    job.report.answered(&answer);
    answer
}

/// What the outcome makes of the delivery. One whose next attempt would come too late is told of
/// as soon as it is too old, not later.
pub(super) fn transition(
    job: &Job,
    outcome: &Outcome,
    expires_at: Option<Timestamp>,
) -> Transition {
    let now = job.ports.clock.now();
    let mut transition = after_attempt(job.policy(), job.delivery.attempts, outcome, now);
    if let DeliveryState::Waiting { ready_at } = &mut transition.state
        && let Some(expires_at) = expires_at
    {
        *ready_at = expires_at.clamp(now, (*ready_at).max(now));
    }
    // One without quarantine stays where it is, so there is nothing to do.
    let has_quarantine = job
        .route()
        .is_some_and(|route| route.screen.quarantine.is_some());
    transition.is_rejected &= has_quarantine;
    let load = transition.load.as_ref();
    transition.notice = load.and_then(|load| rows::notice(&job.config, &job.delivery, load));
    transition
}

/// When the file is too old to be delivered, if ever.
pub(super) fn expires_at(job: &Job) -> Option<Timestamp> {
    let max_age = job.route()?.max_age?;
    match job.delivery.effect {
        Effect::Put => Some(later(job.delivery.arrived_at, max_age)),
        // However late, what departed must not stay there.
        Effect::Remove { .. } => None,
    }
}

fn expired(job: &Job, expires_at: Option<Timestamp>) -> Option<Error> {
    expires_at.filter(|at| *at <= job.ports.clock.now())?;
    let max_age = job.route()?.max_age?;
    Some(too_old(&job.delivery, max_age))
}

/// Why a delivery is given up whose file is older than this.
pub(super) fn too_old(delivery: &Delivery, max_age: Duration) -> Error {
    let message = format!(
        "the file arrived at {} and is older than {} seconds, the maximum age of route `{}`",
        delivery.arrived_at,
        max_age.as_secs(),
        delivery.route
    );
    Error::new(Kind::Refused, message).with("rule", "max_age")
}

/// `Err` is a failed attempt as well, one that did not get as far as the connector.
async fn perform(job: &Job, way: &Found, fence: &LedgerFence) -> Result<Outcome> {
    let delivery = &job.delivery;
    let route = job
        .route()
        .ok_or_else(|| Error::new(Kind::Bug, "a way was found for a route that is not there"))?;
    let shipment = way.shipment(job);
    let connector = way.way.connector.as_ref();
    // Before anything is sent again that may be there already.
    let note = "found at the destination before it was sent again";
    if delivery.possible_duplicate
        && let Some(outcome) = found(job, connector, &shipment, note).await?
    {
        return Ok(outcome);
    }
    let there = &way.way.screen;
    if let Err(error) = screen::check_name(route, there, delivery) {
        return Ok(Outcome::Rejected(error));
    }
    let content = VersionContent::open(job).await?;
    if let Err(error) = screen::check_content(route, there, delivery, &content).await? {
        return Ok(Outcome::Rejected(error));
    }
    let delivered = connector.deliver(&shipment, &content, fence);
    let outcome = AssertUnwindSafe(delivered).catch_unwind().await;
    // Nobody knows how far it had come.
    let outcome = outcome
        .unwrap_or_else(|panic| Outcome::Unclear(panicked(panic.as_ref()).during("delivering")));
    job.report.heard(&outcome);
    Ok(outcome)
}
