//! Reconciler `alert`: hands messages to notifiers until they take them, and tells of uploads
//! that broke off and were not resumed, of many and of old dead letters, of deliveries that take too long, and of what
//! alarms on destinations watch.

mod alarms;
mod dead_letters;
mod notify;
mod partials;

use async_trait::async_trait;
use qm_core::Result;

use crate::pace::Pace;
use crate::pass::Faults;
use crate::{Pass, Ports, Reconciler};
use partials::Told;

pub(crate) use dead_letters::{lookup_key, screened_key};

/// Tells people.
pub struct AlertReconciler {
    ports: Ports,
    told: Told,
    dead_letters: Pace,
    alarms: Pace,
}

impl AlertReconciler {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self {
            ports,
            told: Told::default(),
            dead_letters: Pace::default(),
            alarms: Pace::default(),
        }
    }
}

#[async_trait]
impl Reconciler for AlertReconciler {
    fn name(&self) -> &'static str {
        "alert"
    }

    async fn pass(&self) -> Result<Pass> {
        let mut faults = Faults::default();
        let (_, config) = self.ports.running();
        // First, so that what they raise is sent in the same pass.
        let partials = partials::look(&self.ports, &config, &self.told).await;
        let partials = faults.keep(partials).unwrap_or_default();
        let letters =
            dead_letters::look(&self.ports, &config, &self.dead_letters, &mut faults).await;
        let alarms = alarms::look(&self.ports, &config, &self.alarms, &mut faults).await;
        let sent = notify::send_due(&self.ports, &config, &mut faults).await;
        let now = self.ports.clock.now();
        let next = faults.keep(self.ports.ledger.next_notification().await);
        let pass = Pass {
            has_progressed: partials.has_progressed
                || letters.has_progressed
                || alarms.has_progressed
                || sent,
            next: next.flatten().filter(|at| *at > now),
        };
        faults.or(pass.at(partials.next).at(letters.next).at(alarms.next))
    }
}
