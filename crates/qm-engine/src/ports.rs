//! What the engine stands on.

use qm_core::config::Config;
use qm_core::id::{DestinationName, NotifierName, RevisionNumber};
use qm_core::ports::bucket::Buckets;
use qm_core::ports::clock::Clock;
use qm_core::ports::connector::{Connector, NotifierPort};
use qm_core::ports::ledger::Ledger;
use std::sync::Arc;
use tokio::sync::watch;

use crate::Wake;

/// The revision of the configuration that runs now.
pub type Running = (RevisionNumber, Arc<Config>);

/// Connectors and notifiers of the running revision, by name.
pub trait Outside: Send + Sync {
    /// The code for a destination; `None` if the running revision does not have it.
    fn connector(&self, destination: &DestinationName) -> Option<Arc<dyn Connector>>;

    /// The code for a notifier; `None` if the running revision does not have it.
    fn notifier(&self, notifier: &NotifierName) -> Option<Arc<dyn NotifierPort>>;
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
