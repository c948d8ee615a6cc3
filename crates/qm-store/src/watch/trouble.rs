//! A watch that cannot see tries again, logs the change and not every try, and somebody is told:
//! nobody misses what nobody announces.

use qm_core::Error;
use qm_core::alert::{NewAlert, Text};
use std::time::Duration;

use super::WatchPorts;

/// After the first failure; doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// A store that works again is seen a minute later.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// One failure may be a passing one; three in a row are not.
const FAILURES_BEFORE_ALERT: u32 = 3;

pub(super) struct Trouble {
    failures: u32,
    /// Also true at start: the process before may have raised one.
    may_be_firing: bool,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            failures: 0,
            may_be_firing: true,
        }
    }
}

impl Trouble {
    /// It failed. Returns how long to rest.
    pub(super) async fn failed(&mut self, error: &Error, ports: &WatchPorts) -> Duration {
        let (bucket, chain) = (&ports.bucket, error.chain());
        if self.failures == 0 {
            tracing::error!(%bucket, error = chain, "the watch of the bucket fails");
        } else {
            tracing::debug!(%bucket, error = chain, "the watch of the bucket fails again");
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES_BEFORE_ALERT {
            match ports.ledger.raise(alert(ports, &chain)).await {
                Ok(_) => self.may_be_firing = true,
                // A ledger that does not work is told by others.
                Err(error) => tracing::debug!(error = error.chain(), "alert not raised"),
            }
        }
        pause(self.failures, random())
    }

    /// It works.
    pub(super) async fn succeeded(&mut self, ports: &WatchPorts) {
        let bucket = &ports.bucket;
        if self.failures > 0 {
            tracing::info!(%bucket, failures = self.failures, "the watch of the bucket works again");
            self.failures = 0;
        }
        if !self.may_be_firing {
            return;
        }
        let text = Text {
            subject: format!("The watch of bucket {bucket} works again"),
            body: format!(
                "The watch of bucket {bucket} works again. What came meanwhile is taken in now."
            ),
        };
        let now = ports.clock.now();
        match ports.ledger.resolve(&key(ports), Some(text), now).await {
            Ok(_) => self.may_be_firing = false,
            // The alert stays; the next success resolves it.
            Err(error) => tracing::debug!(error = error.chain(), "alert not resolved"),
        }
    }
}

/// `spread` keeps the nodes and watches that failed together from coming back together.
fn pause(failures: u32, spread: u8) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
    longest / 2 + longest / 2 * u32::from(spread) / u32::from(u8::MAX)
}

fn random() -> u8 {
    let mut byte = [0];
    // Without randomness they come back together, which is no reason to stop.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

fn key(ports: &WatchPorts) -> String {
    format!("watch:{}", ports.bucket)
}

fn alert(ports: &WatchPorts, reason: &str) -> NewAlert {
    let bucket = &ports.bucket;
    NewAlert {
        key: key(ports),
        text: Text {
            subject: format!("The watch of bucket {bucket} fails"),
            body: format!(
                "Files that others put into bucket {bucket} are not noticed until the watch of it works \
                 again; then they are taken in.\n\nReason: {reason}"
            ),
        },
        notifiers: ports.alert.clone(),
        at: ports.clock.now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(failures: u32, shortest_ms: u128, longest_ms: u128) {
        assert_eq!(pause(failures, 0).as_millis(), shortest_ms);
        assert_eq!(pause(failures, u8::MAX).as_millis(), longest_ms);
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        check(1, 500, 1_000);
        check(2, 1_000, 2_000);
        check(6, 16_000, 32_000);
        check(7, 30_000, 60_000);
        check(u32::MAX, 30_000, 60_000);
    }
}
