//! Reconciler `deliver`: claims deliveries whose time has come and attempts them, each on a task
//! of its own, never more at a destination than it may have: a slow one holds up no other.
//!
//! An attempt has no time limit. A mount that hangs would hang the next attempt as well, and the
//! one given up could still wake up and act beside it; so it keeps its place, is reported as
//! stalled ([`stall`]), and ends when the mount does or the process does. It shares the lease of
//! its node: what another node takes over meanwhile is fenced off here.

mod aging;
mod attempt;
mod breakers;
mod content;
mod due;
mod fence;
mod interrupted;
mod job;
mod leads;
mod record;
mod room;
mod rows;
mod running;
mod screen;
mod stall;
mod throttle;
mod way;

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::config::{Config, OnFailure};
use qm_core::delivery::Delivery;
use qm_core::id::{DeliveryId, DestinationName, NotifierName, RouteName};
use qm_core::ports::ledger::Claim;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::pace::Pace;
use crate::pass::Faults;
use crate::ports::told;
use crate::{Pass, Ports, Reconciler};
use breakers::{Breakers, Report};
use due::Due;
use job::Job;
use leads::Leads;
use room::{Limits, Room, Turns};
use rows::RowsSoFar;
use running::Running;
use stall::Progress;
use throttle::{Paced, Throttles};

/// How long running attempts may go on when the node stops; what is cut off is reconciled at the
/// next start.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// What other nodes left running is looked for so often: about as long as a lease lasts.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(10);
/// What is due and has no room hides when the next one elsewhere is due, so that is looked for.
const CROWDED_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Less is no jump of the clock.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(1);

/// Attempts deliveries.
pub struct DeliverReconciler {
    ports: Ports,
    running: Arc<Running>,
    breakers: Arc<Breakers>,
    throttles: Throttles,
    leads: Arc<Leads>,
    due: Due,
    turns: Mutex<Turns>,
    /// Interrupted ones whose destination has had no room for the question yet.
    unasked: Mutex<Vec<Delivery>>,
    take_over: Pace,
    aging: Pace,
    /// When the last pass was; the clock may have been set back since.
    last_pass: Mutex<Option<Timestamp>>,
    /// True while the ledger may hold running deliveries that no task of ours runs.
    is_unsure: Mutex<bool>,
}

impl DeliverReconciler {
    /// Over these ports. One a process.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            running: Arc::default(),
            breakers: Arc::default(),
            throttles: Throttles::default(),
            leads: Arc::default(),
            due: Due::default(),
            turns: Mutex::default(),
            unasked: Mutex::default(),
            take_over: Pace::default(),
            aging: Pace::default(),
            last_pass: Mutex::default(),
            is_unsure: Mutex::new(true),
        }
    }

    /// A clock that was set back, before this start or since the last pass, must make nothing wait
    /// until it comes there again.
    async fn follow_clock(&self, now: Timestamp) -> Result<()> {
        let last = self.last_pass.lock().replace(now);
        if last.is_some_and(|last| now >= last.saturating_sub(CLOCK_STEP).unwrap_or(last)) {
            return Ok(());
        }
        loop {
            let count = self.ports.ledger.clock_set_back(now).await?;
            if count == 0 {
                return Ok(());
            }
            tracing::warn!(
                deliveries = count,
                "the clock was set back; they are due now"
            );
        }
    }

    /// Deliveries that the ledger calls running and nobody runs: interrupted by a crash, by the end
    /// of another node, by an ambiguous claim or by a fault of ours. Returns when to look again.
    async fn find_interrupted(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        if self.running.reap() {
            *self.is_unsure.lock() = true;
        }
        let rests_until = self.take_over.rests_until(now, TAKE_OVER_EVERY);
        if rests_until.is_some() && !*self.is_unsure.lock() {
            return Ok(rests_until);
        }
        let held = self.held();
        let interrupted = self.ports.ledger.interrupted(&held, now).await?;
        *self.is_unsure.lock() = false;
        self.take_over.looked(now, None);
        for delivery in interrupted {
            // Taken back from another node while our attempt from before still runs: that one is
            // fenced off, and the delivery comes up again when it has ended.
            if !held.contains(&delivery.id) {
                tracing::info!(delivery = %delivery.id, destination = ?delivery.destination.as_str(), "interrupted attempt found");
                self.unasked.lock().push(delivery);
            }
        }
        Ok(self.take_over.rests_until(now, TAKE_OVER_EVERY))
    }

    fn held(&self) -> Vec<DeliveryId> {
        let mut held = self.running.ids();
        held.extend(self.unasked.lock().iter().map(|delivery| delivery.id));
        held
    }

    /// Begins what there is room for: first the questions about interrupted attempts, then new
    /// ones.
    async fn begin(&self, config: &Arc<Config>, now: Timestamp, faults: &mut Faults) -> Pass {
        let due = faults.keep(self.due.look(self.ports.ledger.as_ref(), now).await);
        let due = due.unwrap_or_default();
        let mut destinations = due.clone();
        let unasked = self.unasked.lock().clone();
        destinations.extend(unasked.into_iter().map(|delivery| delivery.destination));
        let (mut rooms, next) = self.rooms(destinations, config, now);
        let mut has_begun = false;
        for room in &mut rooms {
            has_begun |= self.ask_interrupted(room, config, now);
        }
        rooms.retain(|room| room.count > 0 && due.contains(&room.destination));
        if !rooms.is_empty() {
            faults.keep(self.supersede(config).await);
        }
        has_begun |= self.claim_all(&rooms, config, now, faults).await;
        let pass = Pass {
            has_progressed: has_begun,
            next,
        };
        pass.at(self.due.next())
    }

    /// The rooms of these destinations; when there will be more, as far as the clock decides it.
    fn rooms(
        &self,
        destinations: BTreeSet<DestinationName>,
        config: &Config,
        now: Timestamp,
    ) -> (Vec<Room>, Option<Timestamp>) {
        let limits = Limits {
            config,
            running: &self.running,
            breakers: &self.breakers,
            leads: &self.leads,
        };
        room::rooms(destinations, &limits, &mut self.turns.lock(), now)
    }

    /// True if anything was claimed. A fault of one destination is none of the others.
    async fn claim_all(
        &self,
        rooms: &[Room],
        config: &Arc<Config>,
        now: Timestamp,
        faults: &mut Faults,
    ) -> bool {
        // At once: the ledger makes one commit of them.
        let claims = rooms.iter().map(|room| self.claim(room, config, now));
        let claimed = join_all(claims).await;
        let works = claimed.iter().any(Result::is_ok);
        let mut any = false;
        for (room, claimed) in rooms.iter().zip(claimed) {
            match claimed {
                Err(error) if works => self.due.failed(&room.destination, &error, now),
                claimed => any |= faults.keep(claimed).is_some_and(|count| count > 0),
            }
        }
        any
    }

    /// Asks about as many as there is room for, which is then less.
    fn ask_interrupted(&self, room: &mut Room, config: &Arc<Config>, now: Timestamp) -> bool {
        let mut asked = Vec::new();
        self.unasked.lock().retain(|delivery| {
            let is_next = room.count > 0 && delivery.destination == room.destination;
            if is_next {
                room.count -= 1;
                asked.push(delivery.clone());
            }
            !is_next
        });
        if !asked.is_empty() {
            self.breakers.begun(&room.place, now);
        }
        let any = !asked.is_empty();
        for delivery in asked {
            self.start(delivery, &room.place, config, interrupted::reconcile);
        }
        any
    }

    async fn claim(&self, room: &Room, config: &Arc<Config>, now: Timestamp) -> Result<usize> {
        let claim = Claim {
            destination: room.destination.clone(),
            limit: room.count,
            now,
        };
        let claimed = self.ports.ledger.claim(claim).await.inspect_err(|_| {
            // The commit may have happened all the same.
            *self.is_unsure.lock() = true;
        })?;
        if !claimed.is_empty() {
            self.breakers.begun(&room.place, now);
        }
        let count = claimed.len();
        for delivery in claimed {
            self.start(delivery, &room.place, config, attempt::attempt);
        }
        Ok(count)
    }

    fn start<F>(
        &self,
        delivery: Delivery,
        place: &DestinationName,
        config: &Arc<Config>,
        work: impl FnOnce(Job) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let progress = Arc::new(Progress::new(Arc::clone(&self.ports.clock)));
        let limits = config.destination_limits(place);
        let rate = limits.and_then(|limits| limits.bytes_per_second);
        let job = Job {
            ports: self.ports.clone(),
            config: Arc::clone(config),
            leads: Arc::clone(&self.leads),
            rows: RowsSoFar::of(config, place, &progress),
            progress: Arc::clone(&progress),
            report: Report {
                ports: self.ports.clone(),
                breakers: Arc::clone(&self.breakers),
                destination: place.clone(),
                worked: Mutex::default(),
            },
            pace: rate.map(|rate| Paced {
                throttle: self.throttles.of(place, rate),
                progress: Arc::clone(&progress),
            }),
            delivery: delivery.clone(),
        };
        let wake = self.ports.wake.clone();
        self.running
            .start(delivery, place.clone(), progress, wake, work(job));
    }

    /// Before claiming: an older version that a newer one replaces is not attempted any more.
    async fn supersede(&self, config: &Config) -> Result<()> {
        let routes = skipping(config);
        if routes.is_empty() {
            return Ok(());
        }
        let now = self.ports.clock.now();
        loop {
            let count = self.ports.ledger.supersede(&routes, now).await?;
            if count == 0 {
                return Ok(());
            }
            tracing::info!(deliveries = count, "superseded by newer versions");
        }
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
        let now = self.ports.clock.now();
        faults.keep(self.follow_clock(now).await);
        let take_over = self.find_interrupted(now).await?;
        // First: what is too old is not begun any more.
        let aged = aging::look(&self.ports, &config, &self.aging, &mut faults).await;
        let mut pass = self.begin(&config, now, &mut faults).await.at(take_over);
        pass.has_progressed |= aged.has_progressed;
        pass = pass.at(aged.next);
        let ready = faults.keep(self.ports.ledger.next_ready().await).flatten();
        let crowded = now.saturating_add(CROWDED_EVERY).unwrap_or(Timestamp::MAX);
        pass = pass.at(ready.map(|at| if at > now { at } else { crowded }));
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
