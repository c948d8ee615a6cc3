//! Reconciler `deliver`: claims deliveries whose time has come and attempts them, each on a task
//! of its own, never more at a destination than it may have: a slow one holds up no other.
//!
//! An attempt has no time limit. A mount that hangs would hang the next attempt as well, and the
//! one given up could still wake up and act beside it; so it keeps its place, is reported as
//! stalled ([`stall`]), and ends when the mount does or the process does. That is also why the
//! lease is long: with one node it only says that somebody is at work.

mod attempt;
mod fence;
mod interrupted;
mod orphans;
mod running;
mod stall;

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::config::{Config, Destination, OnFailure};
use qm_core::delivery::Delivery;
use qm_core::id::{DestinationName, NotifierName, RouteName};
use qm_core::ports::ledger::Claim;
use std::sync::Arc;
use std::time::Duration;

use crate::pass::Faults;
use crate::ports::told;
use crate::retain::later;
use crate::{Pass, Ports, Reconciler};
use running::Running;
use stall::Progress;

/// Longer than any attempt: a crash is found at the next start, not by the end of a lease.
const LEASE: Duration = Duration::from_hours(7 * 24);
/// How long running attempts may go on when the node stops; what is cut off is reconciled at the
/// next start.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Attempts deliveries.
pub struct DeliverReconciler {
    ports: Ports,
    running: Arc<Running>,
    /// True while the ledger may hold running deliveries that no task of ours runs.
    is_unsure: Mutex<bool>,
}

impl DeliverReconciler {
    /// Over these ports. One a process.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            running: Arc::default(),
            is_unsure: Mutex::new(true),
        }
    }

    /// Deliveries that the ledger calls running and we do not run: interrupted by a crash, by an
    /// ambiguous claim or by a fault of ours. Each is reconciled on a task: a destination that
    /// hangs holds up no other here either.
    async fn reconcile(&self) -> Result<bool> {
        if self.running.reap() {
            *self.is_unsure.lock() = true;
        }
        if !*self.is_unsure.lock() {
            return Ok(false);
        }
        let interrupted = self.ports.ledger.interrupted().await?;
        *self.is_unsure.lock() = false;
        let mut any = false;
        for delivery in interrupted {
            if !self.running.has(delivery.id) {
                any = true;
                let ports = self.ports.clone();
                self.start(delivery, |delivery, _| {
                    interrupted::reconcile(ports, delivery)
                });
            }
        }
        Ok(any)
    }

    fn attempt(&self, delivery: Delivery) {
        let ports = self.ports.clone();
        self.start(delivery, |delivery, progress| {
            attempt::attempt(ports, delivery, progress)
        });
    }

    fn start<F>(&self, delivery: Delivery, work: impl FnOnce(Delivery, Arc<Progress>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let progress = Arc::new(Progress::new(Arc::clone(&self.ports.clock)));
        let work = work(delivery.clone(), Arc::clone(&progress));
        self.running
            .start(delivery, progress, self.ports.wake.clone(), work);
    }

    async fn claim(&self, destination: &DestinationName, limit: u32) -> Result<u32> {
        let now = self.ports.clock.now();
        let claim = Claim {
            destination: destination.clone(),
            limit,
            now,
            lease_until: later(now, LEASE),
        };
        let claimed = self.ports.ledger.claim(claim).await.inspect_err(|_| {
            // The commit may have happened all the same.
            *self.is_unsure.lock() = true;
        })?;
        let count = u32::try_from(claimed.len()).unwrap_or(u32::MAX);
        for delivery in claimed {
            self.attempt(delivery);
        }
        Ok(count)
    }

    /// Claims for every destination what it has room for.
    async fn claim_all(&self, config: &Config, faults: &mut Faults) -> bool {
        let rooms: Vec<(&DestinationName, u32)> = config
            .destinations
            .iter()
            .map(|(name, destination)| {
                let room = concurrency(destination).saturating_sub(self.running.at(name));
                (name, room)
            })
            .collect();
        if rooms.iter().any(|(_, room)| *room > 0) {
            faults.keep(self.supersede(config).await);
        }
        let (mut any, mut is_full) = (false, false);
        for (name, room) in rooms {
            let claimed = match room {
                0 => 0,
                _ => faults.keep(self.claim(name, room).await).unwrap_or(0),
            };
            any |= claimed > 0;
            is_full |= claimed == room;
        }
        if !any && !is_full && !faults.any() {
            // Something is ready, every destination has room, and none has anything ready.
            any = faults.keep(self.claim_orphans(config).await) == Some(true);
        }
        any
    }

    /// Before claiming: an older version that a newer one replaces is not attempted any more.
    async fn supersede(&self, config: &Config) -> Result<()> {
        let routes = skipping(config);
        if routes.is_empty() {
            return Ok(());
        }
        let now = self.ports.clock.now();
        let count = self.ports.ledger.supersede(&routes, now).await?;
        if count > 0 {
            tracing::info!(deliveries = count, "superseded by newer versions");
        }
        Ok(())
    }
}

#[async_trait]
impl Reconciler for DeliverReconciler {
    fn name(&self) -> &'static str {
        "deliver"
    }

    async fn pass(&self) -> Result<Pass> {
        let (_, config) = self.ports.running();
        let mut faults = Faults::default();
        let reconciled = self.reconcile().await?;
        let now = self.ports.clock.now();
        let ready = self.ports.ledger.next_ready().await?;
        let mut pass = Pass {
            has_progressed: reconciled,
            next: ready.filter(|at| *at > now),
        };
        if ready.is_some_and(|at| at <= now) {
            pass.has_progressed |= self.claim_all(&config, &mut faults).await;
            let ready = faults.keep(self.ports.ledger.next_ready().await).flatten();
            pass.next = ready.filter(|at| *at > now);
        }
        let stalled = stall::report(&self.ports, &config, &self.running).await;
        pass = pass.at(faults.keep(stalled).flatten());
        faults.or(pass)
    }

    async fn drain(&self) {
        let ended = tokio::time::timeout(DRAIN_LIMIT, self.running.ended()).await;
        if ended.is_err() {
            tracing::warn!("deliveries cut off by the stop; they are reconciled at the next start");
        }
    }
}

fn skipping(config: &Config) -> Vec<RouteName> {
    config
        .routes
        .values()
        .filter(|route| route.on_failure == OnFailure::SkipSuperseded)
        .map(|route| route.name.clone())
        .collect()
}

/// Those of the route, else those of the node; also for a route that is gone.
fn notifiers(delivery: &Delivery, config: &Config) -> Vec<NotifierName> {
    let route = config.routes.get(&delivery.route);
    told(route.map_or(&[][..], |route| &route.alert), config)
}

fn concurrency(destination: &Destination) -> u32 {
    match destination {
        // Zero would be a destination that silently never gets anything.
        Destination::Directory(directory) => directory.concurrency.max(1),
    }
}
