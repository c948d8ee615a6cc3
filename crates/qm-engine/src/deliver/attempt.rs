//! One attempt: open the version's bytes, let the connector deliver them, record what came of it.

use futures_util::FutureExt as _;
use qm_core::alert::dead_letter;
use qm_core::config::{Config, Route};
use qm_core::delivery::{Delivery, DeliveryState, Outcome, Transition, after_attempt};
use qm_core::ports::connector::Connector;
use qm_core::retry::RetryPolicy;
use qm_core::{Error, Kind, Result};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use super::fence::LedgerFence;
use super::notifiers;
use super::stall::{Progress, WatchedContent};
use crate::Ports;
use crate::driver::panicked;

/// Between attempts to record an outcome; doubles up to the longer one. The row stays `running`
/// until it is recorded, so giving up is no choice.
const RECORD_PAUSE_FIRST: Duration = Duration::from_secs(1);
const RECORD_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Attempts the delivery and records the outcome.
pub(super) async fn attempt(ports: Ports, delivery: Delivery, progress: Arc<Progress>) {
    let (_, config) = ports.running();
    let fence = LedgerFence::new(
        Arc::clone(&ports.ledger),
        delivery.clone(),
        progress.clone(),
    );
    let outcome = perform(&ports, &config, &delivery, &fence, progress)
        .await
        .unwrap_or_else(Outcome::Failed);
    let now = ports.clock.now();
    let transition = match &outcome {
        Outcome::Failed(error) if fence.was_closed() => Transition {
            state: DeliveryState::Superseded,
            note: error.public_message().to_owned(),
            is_dead_letter: false,
        },
        Outcome::Failed(_) | Outcome::Delivered(_) => {
            after_attempt(policy(&config, &delivery), delivery.attempts, &outcome, now)
        }
    };
    record(&ports, &config, &delivery, transition).await;
}

/// `Err` is a failed attempt as well, one that did not get as far as the connector.
async fn perform(
    ports: &Ports,
    config: &Config,
    delivery: &Delivery,
    fence: &LedgerFence,
    progress: Arc<Progress>,
) -> Result<Outcome> {
    route(config, delivery)?;
    let connector = connector(ports, config, delivery)?;
    let bucket = ports.buckets.get(&delivery.source.bucket).ok_or_else(|| {
        gone(format!(
            "bucket `{}` is not in the configuration any more",
            delivery.source.bucket
        ))
    })?;
    let version = &delivery.version;
    let opened = bucket.open_version(version.id, &delivery.source.key, &version.identity);
    let content = WatchedContent {
        content: opened.await.map_err(|cause| unreadable(cause, delivery))?,
        progress,
    };
    let delivered = connector.deliver(delivery, &content, fence);
    let outcome = AssertUnwindSafe(delivered).catch_unwind().await;
    Ok(outcome
        .unwrap_or_else(|panic| Outcome::Failed(panicked(panic.as_ref()).during("delivering"))))
}

/// The connector of the delivery's destination, if the running revision still has one.
pub(super) fn connector(
    ports: &Ports,
    config: &Config,
    delivery: &Delivery,
) -> Result<Arc<dyn Connector>> {
    let name = &delivery.destination;
    if !config.destinations.contains_key(name) {
        return Err(gone(format!(
            "destination `{name}` is not in the configuration any more"
        )));
    }
    ports.outside.connector(name).ok_or_else(|| {
        Error::new(Kind::Unavailable, "the destination is not ready yet").with("destination", name)
    })
}

/// The delivery's retry policy; none for a route that is gone.
pub(super) fn policy<'a>(config: &'a Config, delivery: &Delivery) -> &'a RetryPolicy {
    static NO_RETRY: std::sync::LazyLock<RetryPolicy> =
        std::sync::LazyLock::new(|| RetryPolicy::pauses(Vec::new()));
    config
        .routes
        .get(&delivery.route)
        .map_or(&NO_RETRY, |route| &route.retry)
}

/// Records how the attempt ended, as often as it takes; then says so in the log.
pub(super) async fn record(
    ports: &Ports,
    config: &Config,
    delivery: &Delivery,
    transition: Transition,
) {
    let now = ports.clock.now();
    let alert = transition.is_dead_letter.then(|| {
        let notifiers = notifiers(delivery, config);
        dead_letter(delivery, &transition.note, notifiers, now)
    });
    let mut pause = RECORD_PAUSE_FIRST;
    loop {
        let finished = ports
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

fn log(delivery: &Delivery, transition: &Transition) {
    let (id, attempt) = (delivery.id, delivery.attempts);
    let (source, state) = (delivery.source.to_string(), transition.state.as_str());
    let (destination, note) = (&delivery.destination, &transition.note);
    match transition.state {
        DeliveryState::Dead => {
            tracing::error!(%id, ?source, %destination, attempt, state, note, "delivery failed");
        }
        DeliveryState::Waiting { .. } | DeliveryState::Running { .. } => {
            tracing::warn!(%id, ?source, %destination, attempt, state, note, "attempt failed");
        }
        DeliveryState::Delivered | DeliveryState::Superseded => {
            tracing::info!(%id, ?source, %destination, attempt, state, note, "delivery ended");
        }
    }
}

fn route<'a>(config: &'a Config, delivery: &Delivery) -> Result<&'a Route> {
    config.routes.get(&delivery.route).ok_or_else(|| {
        gone(format!(
            "route `{}` is not in the configuration any more",
            delivery.route
        ))
    })
}

fn gone(message: String) -> Error {
    Error::new(Kind::Refused, message)
        .during("looking up the way")
        .help("put it back into the configuration and redrive the delivery")
}

fn unreadable(cause: Error, delivery: &Delivery) -> Error {
    let message = match cause.kind() {
        Kind::NotFound => "the bytes of the version are not in the bucket any more",
        Kind::AlreadyExists
        | Kind::Bug
        | Kind::Conflict
        | Kind::Invalid
        | Kind::Limit
        | Kind::Refused
        | Kind::Timeout
        | Kind::Unauthenticated
        | Kind::Unavailable
        | Kind::Unsupported => return cause,
    };
    Error::new(Kind::NotFound, message)
        .during("opening the version")
        .with("version", delivery.version.id)
        .with("source", delivery.source.to_string().escape_debug())
        .source(cause)
}
