//! Reconciler `tidy`: what a route does to an object when its deliveries have ended: it is removed
//! or archived once everything of its version was delivered, or goes to quarantine because the
//! step `screen` rejected it. Only that version is touched, never a newer one under its name.

mod action;
mod troubles;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use qm_core::config::Config;
use qm_core::delivery::{self, Finished};
use qm_core::id::RouteName;
use qm_core::{Error, Kind, Result, Retry};

use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler};
use action::Action;
use troubles::{Next, Troubles};

/// Enough to keep up with deliveries, few enough to hold in memory.
const BATCH: u32 = 256;
/// Changes of names wait for the disk or the store, and for the ledger's commit, which they share.
const AT_A_TIME: usize = 16;

/// Tidies up after deliveries.
pub struct TidyReconciler {
    ports: Ports,
    troubles: Troubles,
}

impl TidyReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            troubles: Troubles::default(),
        }
    }

    /// `Ok(true)` if it is over and done with.
    async fn tidy(&self, finished: &Finished, config: &Config) -> Result<bool> {
        let (note, is_well) = match self.act(finished, config).await {
            Ok(note) => (note, true),
            Err(error) => match self.tell(finished, config, &error).await? {
                Next::GiveUp => (format!("left where it is: {}", error.chain()), false),
                Next::Again | Next::AgainAndTell => return Ok(false),
            },
        };
        let now = self.ports.clock.now();
        let ledger = &self.ports.ledger;
        ledger.tidied(finished.delivery, &note, now).await?;
        let (delivery, source) = (finished.delivery, finished.source.to_string());
        tracing::info!(%delivery, ?source, note, "tidied up");
        if is_well {
            self.recover(finished).await?;
        }
        Ok(true)
    }

    async fn act(&self, finished: &Finished, config: &Config) -> Result<String> {
        let (sources, path) = (&self.ports.sources, &finished.source);
        let version = finished.version.id;
        let action = Action::of(finished, config)?;
        let done = match action {
            Action::Nothing(note) => Some(note),
            Action::Remove(why) => {
                let is_removed = sources.remove(path, version, &why).await?;
                is_removed.then(|| format!("removed: {why}"))
            }
            Action::Move { to, .. } if to == path.key => Some("it is there already".to_owned()),
            Action::Move { to, why } => {
                let moved = sources.move_to(path, version, &to, &why).await?;
                moved.map(|to| format!("moved to {to}: {why}"))
            }
        };
        Ok(done.unwrap_or_else(|| {
            "left as it is: the name shows another version by now, or none".to_owned()
        }))
    }

    /// One more failure; somebody is told once it looks as if it would not go away by itself.
    async fn tell(&self, finished: &Finished, config: &Config, error: &Error) -> Result<Next> {
        let now = self.ports.clock.now();
        let (delivery, source) = (finished.delivery, finished.source.to_string());
        let error_chain = error.chain();
        tracing::warn!(%delivery, ?source, error = error_chain, "could not be tidied up");
        let next = self.troubles.failed(finished, verdict(error), now);
        if next != Next::Again {
            let alert = troubles::alert(finished, config, error, verdict(error), now);
            self.ports.ledger.raise(alert).await?;
            self.troubles.told(&finished.route);
        }
        Ok(next)
    }

    /// It works again, unless others of its route are still in trouble.
    async fn recover(&self, finished: &Finished) -> Result<()> {
        if self.troubles.worked(finished) {
            self.resolve(&finished.route).await?;
        }
        Ok(())
    }

    async fn resolve(&self, route: &RouteName) -> Result<()> {
        let now = self.ports.clock.now();
        let key = troubles::key(route);
        self.ports.ledger.resolve(&key, None, now).await?;
        self.troubles.resolved(route);
        Ok(())
    }
}

/// Whether it is tried again: whoever changes the name at the same moment will have done so later.
fn verdict(error: &Error) -> Retry {
    if error.kind() == Kind::Conflict {
        return Retry::Later;
    }
    delivery::verdict(error)
}

#[async_trait]
impl Reconciler for TidyReconciler {
    fn name(&self) -> &'static str {
        "tidy"
    }

    async fn pass(&self) -> Result<Pass> {
        let (_, config) = self.ports.running();
        let now = self.ports.clock.now();
        // Those that wait for their next attempt must not hide the others.
        let limit = BATCH.saturating_add(self.troubles.count());
        let mut finished = self.ports.ledger.finished(limit).await?;
        let mut faults = Faults::default();
        if u32::try_from(finished.len()).is_ok_and(|count| count < limit) {
            for route in self.troubles.left(&finished) {
                faults.keep(self.resolve(&route).await);
            }
        }
        finished.retain(|one| self.troubles.is_ready(one, now));
        let config = &*config;
        let tidied = stream::iter(finished)
            .map(|one| async move { self.tidy(&one, config).await })
            .buffer_unordered(AT_A_TIME);
        let tidied: Vec<_> = tidied.collect().await;
        let mut has_progressed = false;
        for result in tidied {
            has_progressed |= faults.keep(result) == Some(true);
        }
        faults.or(Pass {
            has_progressed,
            next: self.troubles.next(now),
        })
    }
}
