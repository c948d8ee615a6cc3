//! What a reconciler is.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::{Error, Result};

/// What one scan found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pass {
    /// True if rows were changed: another pass, of this or another reconciler, may find more.
    pub has_progressed: bool,
    /// When there will be something to do, as far as the rows tell; always in the future.
    pub next: Option<Timestamp>,
}

impl Pass {
    /// Comes again at `at`, too.
    pub(crate) fn at(mut self, at: Option<Timestamp>) -> Self {
        self.next = [self.next, at].into_iter().flatten().min();
        self
    }
}

/// Scans rows, does what is to be done now.
#[async_trait]
pub trait Reconciler: Send + Sync {
    /// Its name in logs and alerts.
    fn name(&self) -> &'static str;

    /// One scan. May be dropped at any await; the next one completes or repeats it. An error
    /// means that something was not done, not that nothing was.
    async fn pass(&self) -> Result<Pass>;

    /// Waits until what passes have begun has ended; called once, after the last pass.
    async fn drain(&self) {}
}

/// Errors of parts of a pass: the others go on, the first is reported, the rest are logged here.
#[derive(Debug, Default)]
pub(crate) struct Faults(Option<Error>);

impl Faults {
    /// The value, unless it is an error.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if self.0.is_none() {
                    self.0 = Some(error);
                } else {
                    tracing::warn!(error = error.chain(), "another part of the pass failed");
                }
                None
            }
        }
    }

    /// True if there was an error.
    pub(crate) fn any(&self) -> bool {
        self.0.is_some()
    }

    /// The first error, else the pass.
    pub(crate) fn or(self, pass: Pass) -> Result<Pass> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(pass),
        }
    }
}
