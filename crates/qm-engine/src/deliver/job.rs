//! What an attempt is given.

use qm_core::config::{Config, Route};
use qm_core::delivery::Delivery;
use qm_core::id::DestinationName;
use qm_core::retry::RetryPolicy;
use std::sync::{Arc, LazyLock};

use super::breakers::Report;
use super::leads::Leads;
use super::rows::RowsSoFar;
use super::stall::Progress;
use super::throttle::Paced;
use crate::Ports;

/// One delivery that runs, under the revision that ran when it was begun.
pub(super) struct Job {
    pub(super) ports: Ports,
    pub(super) config: Arc<Config>,
    pub(super) delivery: Delivery,
    pub(super) progress: Arc<Progress>,
    pub(super) report: Report,
    pub(super) leads: Arc<Leads>,
    pub(super) pace: Option<Paced>,
    /// If the destination is a table.
    pub(super) rows: Option<RowsSoFar>,
}

impl Job {
    /// The delivery's route, unless the revision lost it.
    pub(super) fn route(&self) -> Option<&Route> {
        self.config.routes.get(&self.delivery.route)
    }

    /// Where it counts: at its destination, or at the one of the configuration that this one led to.
    pub(super) fn place(&self) -> &DestinationName {
        &self.report.destination
    }

    /// The delivery's retry policy; none for a route that is gone.
    pub(super) fn policy(&self) -> &RetryPolicy {
        static NO_RETRY: LazyLock<RetryPolicy> = LazyLock::new(|| RetryPolicy::pauses(Vec::new()));
        self.route().map_or(&NO_RETRY, |route| &route.retry)
    }
}
