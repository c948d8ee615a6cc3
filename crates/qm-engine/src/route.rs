//! Reconciler `route`: every arrival in the outbox is matched with the routes of the running
//! revision and gets its deliveries, or the record that no route wanted it.

use async_trait::async_trait;
use futures_util::future::join_all;
use qm_core::Result;
use qm_core::arrival::Arrival;
use qm_core::config::{Config, Destination, Route};
use qm_core::delivery::NewDelivery;
use qm_core::id::{DeliveryId, DestinationName};
use qm_core::name::ObjectKey;

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
    config
        .routes
        .values()
        .filter(started)
        .flat_map(|route| {
            route.deliver.iter().map(|destination| NewDelivery {
                id: DeliveryId::derive(arrival.version.id, &route.name, destination),
                route: route.name.clone(),
                destination: destination.clone(),
                target: target(config, destination, &arrival.path.key),
            })
        })
        .collect()
}

/// The name at the destination. A destination that the revision lacks gets a delivery all the
/// same: it becomes a dead letter that says so.
fn target(config: &Config, destination: &DestinationName, key: &ObjectKey) -> String {
    let strip = config
        .destinations
        .get(destination)
        .map(|Destination::Directory(directory)| &directory.strip);
    strip
        .and_then(|strip| key.relative_to(strip))
        .unwrap_or(key.as_str())
        .to_owned()
}
