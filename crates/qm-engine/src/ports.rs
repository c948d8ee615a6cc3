//! What the engine stands on.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::config::Config;
use qm_core::delivery::Delivery;
use qm_core::id::{DestinationName, NotifierName, RevisionNumber};
use qm_core::ports::bucket::Buckets;
use qm_core::ports::clock::Clock;
use qm_core::ports::connector::{Connector, NotifierPort};
use qm_core::ports::ledger::Ledger;
use qm_core::ports::source::Sources;
use qm_core::screen::Screen;
use qm_core::template::Template;
use std::sync::Arc;
use tokio::sync::watch;

use crate::Wake;

/// The revision of the configuration that runs now.
pub type Running = (RevisionNumber, Arc<Config>);

/// Connectors and notifiers of the running revision.
#[async_trait]
pub trait Outside: Send + Sync {
    /// The way of a delivery, found at the moment of use: what was replaced in a secret store counts
    /// from the next attempt on. `NotFound` and `Refused` for a destination that is not there, or
    /// that a lookup does not find.
    async fn way(&self, delivery: &Delivery) -> Result<Way>;

    /// The code for a notifier; `None` if the running revision does not have it.
    fn notifier(&self, notifier: &NotifierName) -> Option<Arc<dyn NotifierPort>>;
}

/// How a delivery gets where it goes.
pub struct Way {
    /// The code for the destination.
    pub connector: Arc<dyn Connector>,
    /// What it takes, said by whoever was looked up, beside what the route's screen says.
    pub screen: Screen,
    /// The name there, said by whoever was looked up; `None` for the delivery's target.
    pub name: Option<Template>,
    /// The destination of the configuration that whoever was looked up named: its limits hold, and
    /// the name there is as it says, unless [`Way::name`] says another.
    pub leads_to: Option<DestinationName>,
}

/// What every reconciler is given.
#[derive(Clone)]
pub struct Ports {
    /// The truth about what happened.
    pub ledger: Arc<dyn Ledger>,
    /// The truth about what exists.
    pub buckets: Arc<dyn Buckets>,
    /// Destinations and notifiers.
    pub outside: Arc<dyn Outside>,
    /// What is done to objects when their deliveries have ended.
    pub sources: Arc<dyn Sources>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The running revision; a new one is taken up by the next pass.
    pub config: watch::Receiver<Running>,
    /// Wakes the reconcilers.
    pub wake: Wake,
}

impl Ports {
    /// The revision that runs now.
    pub(crate) fn running(&self) -> Running {
        self.config.borrow().clone()
    }
}

/// Those who are named, else those of the node.
pub(crate) fn told(named: &[NotifierName], config: &Config) -> Vec<NotifierName> {
    if named.is_empty() {
        config.node.alert.clone()
    } else {
        named.to_vec()
    }
}
