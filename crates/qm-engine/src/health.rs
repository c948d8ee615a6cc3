//! A reconciler that keeps failing is itself something somebody must be told (S1-22): nobody
//! notices a check that does not run.

use qm_core::Error;
use qm_core::alert::{NewAlert, Text};
use std::time::Duration;

use crate::Ports;

/// One failure may be a passing one; three in a row, with the pauses below, are seven seconds.
const FAILURES_BEFORE_ALERT: u32 = 3;
/// After the first failure; doubles with each.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Never rests longer than a reconciler that has nothing to do.
const BACKOFF_MAX: Duration = crate::driver::REST_MAX;

/// How one reconciler fares.
pub(crate) struct Health {
    name: &'static str,
    failures: u32,
    last_error: Option<String>,
    /// Also true at start: the process before may have raised one.
    may_be_firing: bool,
}

impl Health {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            failures: 0,
            last_error: None,
            may_be_firing: true,
        }
    }

    /// A pass succeeded.
    pub(crate) async fn succeeded(&mut self, ports: &Ports) {
        if self.failures > 0 {
            tracing::info!(
                reconciler = self.name,
                failures = self.failures,
                "works again"
            );
            self.failures = 0;
            self.last_error = None;
        }
        if !self.may_be_firing {
            return;
        }
        let text = Text {
            subject: format!("The check `{}` works again", self.name),
            body: format!("The check `{}` of the gateway works again.", self.name),
        };
        let now = ports.clock.now();
        match ports.ledger.resolve(&self.key(), Some(text), now).await {
            Ok(was_firing) => {
                self.may_be_firing = false;
                if was_firing {
                    ports.wake.wake();
                }
            }
            // The alert stays; the next pass that succeeds resolves it.
            Err(error) => tracing::debug!(error = error.chain(), "alert not resolved"),
        }
    }

    /// A pass failed. Returns how long to rest.
    pub(crate) async fn failed(&mut self, error: &Error, ports: &Ports) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let chain = error.chain();
        if self.last_error.as_ref() == Some(&chain) {
            tracing::debug!(reconciler = self.name, error = chain, "pass failed again");
        } else {
            tracing::error!(reconciler = self.name, error = chain, "pass failed");
        }
        if self.failures >= FAILURES_BEFORE_ALERT {
            self.raise(&chain, ports).await;
        }
        self.last_error = Some(chain);
        let doublings = self.failures.saturating_sub(1).min(16);
        BACKOFF_FIRST
            .saturating_mul(1 << doublings)
            .min(BACKOFF_MAX)
    }

    async fn raise(&mut self, reason: &str, ports: &Ports) {
        let (_, config) = ports.running();
        let alert = NewAlert {
            key: self.key(),
            text: Text {
                subject: format!("The check `{}` fails", self.name),
                body: format!(
                    "The check `{}` of the gateway has failed {} times in a row. What it looks after is not \
                     looked after until it works again.\n\nReason: {reason}",
                    self.name, self.failures
                ),
            },
            notifiers: config.node.alert.clone(),
            at: ports.clock.now(),
        };
        match ports.ledger.raise(alert).await {
            Ok(is_new) => {
                self.may_be_firing = true;
                if is_new {
                    ports.wake.wake();
                }
            }
            // A ledger that does not work is what the error above is about already.
            Err(error) => tracing::debug!(error = error.chain(), "alert not raised"),
        }
    }

    fn key(&self) -> String {
        format!("check:{}", self.name)
    }
}
