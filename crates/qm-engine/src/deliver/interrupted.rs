//! Attempts that a crash interrupted: the destination is asked before anything is sent again.

use futures_util::FutureExt as _;
use qm_core::delivery::{Delivery, DeliveryState, Outcome, after_attempt};
use qm_core::{Error, Kind, Result};
use std::panic::AssertUnwindSafe;

use super::attempt::{connector, policy, record};
use super::stall;
use crate::Ports;
use crate::driver::panicked;

/// Finds out what became of the interrupted attempt and records it.
pub(super) async fn reconcile(ports: Ports, delivery: Delivery) {
    let (_, config) = ports.running();
    let now = ports.clock.now();
    // Raised by the process that was interrupted; the next attempt is another one.
    if let Err(error) = ports
        .ledger
        .resolve(&stall::key(delivery.id), None, now)
        .await
    {
        tracing::warn!(delivery = %delivery.id, error = error.chain(), "alert not resolved");
    }
    let asked = match connector(&ports, &config, &delivery) {
        Ok(connector) => AssertUnwindSafe(connector.is_delivered(&delivery))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(panicked(panic.as_ref()))),
        Err(error) => Err(error),
    };
    let outcome = outcome(asked);
    let mut transition =
        after_attempt(policy(&config, &delivery), delivery.attempts, &outcome, now);
    // It was not the destination that failed, so there is nothing to wait for; the attempt
    // counts all the same: one that brings the node down must not be begun for ever.
    if let DeliveryState::Waiting { ready_at } = &mut transition.state {
        *ready_at = now;
    }
    record(&ports, &config, &delivery, transition).await;
}

fn outcome(asked: Result<bool>) -> Outcome {
    let interrupted = Error::new(
        Kind::Unavailable,
        "the attempt was interrupted by a stop of the node",
    );
    match asked {
        Ok(true) => Outcome::Delivered("found at the destination after a restart".to_owned()),
        Ok(false) => Outcome::Failed(interrupted),
        Err(cause) => Outcome::Failed(interrupted.source(cause)),
    }
}
