//! Reconciler `route`: every arrival in the outbox is matched with the routes of the running
//! revision and gets its deliveries, or the record that no route wanted it; and what was delivered
//! follows its object when that departs, where a route says so.

use async_trait::async_trait;
use futures_util::future::join_all;
use qm_core::Result;
use qm_core::arrival::Arrival;
use qm_core::config::{AfterDelivery, Config, Deliver, Lookup, OnFailure, Propagate, Route};
use qm_core::delivery::{Delivery, NewDelivery};
use qm_core::departure::{Departure, Following};
use qm_core::id::{DeliveryId, DestinationName, RouteName};
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

    async fn depart(&self, departure: &Departure, (revision, config): &Running) -> Result<()> {
        let following = following(departure, config);
        let now = self.ports.clock.now();
        let depart = self
            .ports
            .ledger
            .depart(departure, following, *revision, now);
        let created = depart.await?;
        if created > 0 {
            tracing::info!(
                path = ?departure.path.to_string(),
                version = %departure.version,
                deliveries = created,
                "departure followed"
            );
        }
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
        // After the arrivals: what a departed version was delivered by must be known.
        let departures = self.ports.ledger.departures(BATCH).await;
        let departures = faults.keep(departures).unwrap_or_default();
        let followed = join_all(departures.iter().map(|d| self.depart(d, &running))).await;
        for result in followed {
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
        adds: config.adds(&destination),
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

/// What routes that delivered the version say to its departure.
fn following(departure: &Departure, config: &Config) -> Vec<Following> {
    let mut routes: Vec<&RouteName> = departure.copies.iter().map(|copy| &copy.route).collect();
    routes.sort_unstable();
    routes.dedup();
    let routes = routes
        .into_iter()
        .filter_map(|name| config.routes.get(name))
        .filter(|route| !route.propagate.is_empty());
    routes
        .flat_map(|route| following_by(departure, config, route))
        .collect()
}

fn following_by(departure: &Departure, config: &Config, route: &Route) -> Vec<Following> {
    let copies = departure.copies.iter();
    let mut copies: Vec<&Delivery> = copies.filter(|copy| copy.route == route.name).collect();
    let has = |propagate| route.propagate.contains(&propagate);
    let to = departure.to.as_ref().filter(|_| has(Propagate::Rename));
    let to = to.filter(|to| route.is_started_by(&to.path, to.version.size_bytes));
    let Some(to) = to else {
        // Renamed to where the route takes nothing, it is gone as far as the route sees; renamed to
        // where it does, the copy stays unless renames are followed.
        let is_seen = departure
            .to
            .as_ref()
            .is_some_and(|to| route.is_started_by(&to.path, to.version.size_bytes));
        if is_seen || !has(Propagate::Delete) {
            return Vec::new();
        }
        return copies
            .iter()
            .map(|copy| Following::Remove(copy.id))
            .collect();
    };
    let facts = facts(config, &to.path, to.at);
    let mut following = Vec::new();
    for mut new in of_route(to, config, route, &facts) {
        new.id = DeliveryId::derive_renamed(
            to.version.id,
            &route.name,
            &new.destination,
            departure.operation,
        );
        let place = copies
            .iter()
            .position(|copy| copy.destination == new.destination);
        let replaces = place.map(|at| copies.remove(at)).map(|copy| copy.id);
        following.push(Following::Rename { new, replaces });
    }
    // Under its new name the route takes it elsewhere.
    following.extend(copies.iter().map(|copy| Following::Remove(copy.id)));
    following
}

/// The name at the destination. A destination that the revision lacks and a name that cannot be
/// made get a delivery all the same: it becomes a dead letter that says so.
fn target(config: &Config, destination: &DestinationName, facts: &Facts<'_>) -> String {
    let found = config.destinations.get(destination);
    found
        .and_then(|destination| destination.target(facts).ok())
        .unwrap_or_else(|| facts.path.key.as_str().to_owned())
}
