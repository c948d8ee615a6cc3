//! The breakers of the destinations, in memory: a start tries every destination again.

use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::breaker::Breaker;
use qm_core::config::{BreakerPolicy, Config, DestinationPlace, TableEngine};
use qm_core::delivery::Outcome;
use qm_core::id::DestinationName;
use qm_core::{Error, Kind, Result, Retry};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Ports;

/// One a destination; those that are not here are closed.
#[derive(Default)]
pub(super) struct Breakers(Mutex<BTreeMap<DestinationName, Breaker>>);

impl Breakers {
    /// See [`Breaker::admits`].
    pub(super) fn admits(
        &self,
        destination: &DestinationName,
        wanted: u32,
        now: Timestamp,
    ) -> (u32, Option<Timestamp>) {
        let breakers = self.0.lock();
        let breaker = breakers.get(destination).copied().unwrap_or_default();
        breaker.admits(wanted, now)
    }

    /// Something goes there now.
    pub(super) fn begun(&self, destination: &DestinationName, now: Timestamp) {
        if let Some(breaker) = self.0.lock().get_mut(destination) {
            *breaker = breaker.begun(now);
        }
    }

    /// What went there has ended; `worked` is `None` if it tells nothing of the destination.
    fn ended(
        &self,
        destination: &DestinationName,
        worked: Option<bool>,
        policy: BreakerPolicy,
        now: Timestamp,
    ) {
        let mut breakers = self.0.lock();
        let before = breakers.get(destination).copied().unwrap_or_default();
        let after = match worked {
            Some(worked) => before.ended(worked, policy, now),
            // The next one tries.
            None if before == Breaker::Trying => Breaker::Open { until: now },
            None => before,
        };
        match after {
            Breaker::Closed => breakers.remove(destination),
            Breaker::Failing(_) | Breaker::Open { .. } | Breaker::Trying => {
                breakers.insert(destination.clone(), after)
            }
        };
        log(destination, before, after);
    }
}

fn log(destination: &DestinationName, before: Breaker, after: Breaker) {
    match (before, after) {
        (Breaker::Closed | Breaker::Failing(_), Breaker::Open { until }) => {
            tracing::warn!(%destination, %until, "destination fails and is left alone");
        }
        (Breaker::Open { .. } | Breaker::Trying, Breaker::Closed) => {
            tracing::info!(%destination, "destination works again");
        }
        (
            Breaker::Closed | Breaker::Failing(_) | Breaker::Open { .. } | Breaker::Trying,
            Breaker::Closed | Breaker::Failing(_) | Breaker::Open { .. } | Breaker::Trying,
        ) => {}
    }
}

/// What an attempt tells of its destination; told when it is dropped, so also by one that panics:
/// a breaker that waits for an end that never comes would shut its destination for good.
pub(super) struct Report {
    pub(super) ports: Ports,
    pub(super) breakers: Arc<Breakers>,
    /// Where the attempt counts.
    pub(super) destination: DestinationName,
    /// Whether the destination worked, if it was asked.
    pub(super) worked: Mutex<Option<bool>>,
}

impl Report {
    /// The destination was asked to deliver.
    pub(super) fn heard(&self, outcome: &Outcome) {
        *self.worked.lock() = match outcome {
            Outcome::Delivered(_) | Outcome::Loaded(_) => Some(true),
            Outcome::Failed(error) => self.works(error),
            // Everything was sent, so nobody was refused.
            Outcome::Unclear(error) => answers(error),
            Outcome::Rejected(_) => None,
        };
    }

    /// The destination was asked whether something is there.
    pub(super) fn answered(&self, answer: &Result<bool>) {
        *self.worked.lock() = match answer {
            Ok(_) => Some(true),
            Err(error) => self.works(error),
        };
    }

    /// A server that refuses for good refuses whoever comes: its key is not the pinned one, or it
    /// does not take ours. What a folder or a bucket refuses for good is one file.
    fn works(&self, error: &Error) -> Option<bool> {
        let (_, config) = self.ports.running();
        let is_login = error.kind() == Kind::Refused
            && error.retry_verdict() == Retry::Never
            && is_server(&self.destination, &config);
        if is_login {
            Some(false)
        } else {
            answers(error)
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let (_, config) = self.ports.running();
        let Some(limits) = config.destination_limits(&self.destination) else {
            self.breakers.0.lock().remove(&self.destination);
            return;
        };
        let now = self.ports.clock.now();
        self.breakers
            .ended(&self.destination, *self.worked.lock(), limits.breaker, now);
    }
}

fn is_server(destination: &DestinationName, config: &Config) -> bool {
    let Some(found) = config.destinations.get(destination) else {
        return destination.as_looked_up().is_some();
    };
    match &found.place {
        DestinationPlace::Sftp(_) => true,
        DestinationPlace::Directory(_) | DestinationPlace::Bucket(_) => false,
        DestinationPlace::Table(table) => match table.engine {
            TableEngine::Sqlite { .. } => false,
            TableEngine::Postgres { .. } | TableEngine::DynamoDb { .. } => true,
        },
    }
}

/// Whether a destination works that said this; a refusal of one file tells nothing of it.
fn answers(error: &Error) -> Option<bool> {
    match error.kind() {
        Kind::Limit | Kind::Timeout | Kind::Unauthenticated | Kind::Unavailable => Some(false),
        Kind::AlreadyExists
        | Kind::Bug
        | Kind::Conflict
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Refused
        | Kind::Unsupported => None,
    }
}
