//! Reconciler `route`: every arrival in the outbox is matched with the routes of the running
//! revision and gets its deliveries, or the record that no route wanted it.

use async_trait::async_trait;
use futures_util::future::join_all;
use qm_core::Result;
use qm_core::arrival::Arrival;
use qm_core::config::{AfterDelivery, Config, Deliver, Lookup, OnFailure, Route};
use qm_core::delivery::NewDelivery;
use qm_core::id::{DeliveryId, DestinationName};
use qm_core::template::Facts;

use crate::facts::facts;
use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler, Running};

/// Enough that many arrivals share a commit of the ledger, few enough to hold in memory.
const BATCH: u32 = 256;

/// Gives arrivals their deliveries.
pub struct RouteReconciler {
    ports: Ports,
}

impl RouteReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self { ports }
    }

    async fn route(&self, arrival: &Arrival, (revision, config): &Running) -> Result<()> {
        let deliveries = deliveries(arrival, config);
        let now = self.ports.clock.now();
        let created = self
            .ports
            .ledger
            .route(arrival.seq, deliveries, *revision, now)
            .await?;
        tracing::info!(
            arrival = arrival.seq.0,
            path = ?arrival.path.to_string(),
            size_bytes = arrival.version.size_bytes,
            deliveries = created,
            "arrival routed"
        );
        Ok(())
    }
}

#[async_trait]
impl Reconciler for RouteReconciler {
    fn name(&self) -> &'static str {
        "route"
    }

    async fn pass(&self) -> Result<Pass> {
        let running = self.ports.running();
        let arrivals = self.ports.ledger.unrouted(BATCH).await?;
        // Polled, and so written, in seq order; one group commit serves the batch.
        let routed = join_all(arrivals.iter().map(|a| self.route(a, &running))).await;
        let mut faults = Faults::default();
        let mut has_progressed = false;
        for result in routed {
            has_progressed |= faults.keep(result).is_some();
        }
        faults.or(Pass {
            has_progressed,
            next: None,
        })
    }
}

fn deliveries(arrival: &Arrival, config: &Config) -> Vec<NewDelivery> {
    let started = |route: &&Route| route.is_started_by(&arrival.path, arrival.version.size_bytes);
    let facts = facts(config, &arrival.path, arrival.at);
    config
        .routes
        .values()
        .filter(started)
        .flat_map(|route| of_route(arrival, config, route, &facts))
        .collect()
}

fn of_route(
    arrival: &Arrival,
    config: &Config,
    route: &Route,
    facts: &Facts<'_>,
) -> Vec<NewDelivery> {
    let new = |destination: DestinationName, target: String| NewDelivery {
        id: DeliveryId::derive(arrival.version.id, &route.name, &destination),
        route: route.name.clone(),
        destination,
        target,
        has_after: route.after != AfterDelivery::Keep,
        is_independent: route.on_failure == OnFailure::Independent,
    };
    match &route.deliver {
        Deliver::To(names) => names
            .iter()
            .map(|name| new(name.clone(), target(config, name, facts)))
            .collect(),
        // A key that cannot be made is the empty one, see `deliver::plan`.
        Deliver::LookUp(lookup) => {
            let key = lookup.key(facts).unwrap_or_default();
            let target = Lookup::target(&arrival.path.key).to_owned();
            vec![new(DestinationName::looked_up(&route.name, &key), target)]
        }
    }
}

/// The name at the destination. A destination that the revision lacks and a name that cannot be
/// made get a delivery all the same: it becomes a dead letter that says so.
fn target(config: &Config, destination: &DestinationName, facts: &Facts<'_>) -> String {
    let found = config.destinations.get(destination);
    found
        .and_then(|destination| destination.target(facts).ok())
        .unwrap_or_else(|| facts.path.key.as_str().to_owned())
}
