//! Attempts that have stopped making progress: reported, never given up (see the room's head).

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::alert::{NewAlert, Text};
use qm_core::config::Config;
use qm_core::delivery::Delivery;
use qm_core::id::DeliveryId;
use qm_core::ports::clock::Clock;
use std::fmt;
use std::sync::Arc;

use super::notifiers;
use super::running::Running;
use crate::Ports;

/// A megabyte takes seconds even over a bad line; a quarter of an hour without one is a mount or
/// a peer that hangs.
const STALLED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// When an attempt last moved.
pub(super) struct Progress {
    clock: Arc<dyn Clock>,
    moved_at: Mutex<Timestamp>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("moved_at", &self.moved_at())
            .finish_non_exhaustive()
    }
}

impl Progress {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let moved_at = Mutex::new(clock.now());
        Self { clock, moved_at }
    }

    /// It moves.
    pub(super) fn moves(&self) {
        *self.moved_at.lock() = self.clock.now();
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn moved_at(&self) -> Timestamp {
        *self.moved_at.lock()
    }
}

/// Raises an alert for attempts that have stopped moving and resolves those of attempts that
/// have ended. Returns when to look again.
pub(super) async fn report(
    ports: &Ports,
    config: &Config,
    running: &Running,
) -> Result<Option<Timestamp>> {
    let now = ports.clock.now();
    for id in running.recovered() {
        ports.ledger.resolve(&key(id), None, now).await?;
        running.resolved(id);
    }
    for delivery in running.stalled_since(now - STALLED_AFTER) {
        tracing::warn!(delivery = %delivery.id, destination = %delivery.destination, "attempt stalled");
        let alert = alert(&delivery, config, now);
        ports.ledger.raise(alert).await?;
        running.reported(delivery.id);
    }
    Ok(running.moved_first().map(|at| at + STALLED_AFTER))
}

/// The key of a stalled attempt's alert.
pub(super) fn key(delivery: DeliveryId) -> String {
    format!("stalled:{delivery}")
}

fn alert(delivery: &Delivery, config: &Config, now: Timestamp) -> NewAlert {
    NewAlert {
        key: key(delivery.id),
        text: Text {
            subject: format!(
                "Delivery of {} to {} does not move",
                delivery.source, delivery.destination
            ),
            body: format!(
                "Attempt {} of delivery {} has made no progress for {} minutes. It goes on when the \
                 destination does. If {} hangs for good, mend or unmount it and start the node again: the \
                 delivery is then continued.",
                delivery.attempts,
                delivery.id,
                STALLED_AFTER.as_mins(),
                delivery.destination
            ),
        },
        notifiers: notifiers(delivery, config),
        at: now,
    }
}
