//! What must not stop half-way, on a thread of its own.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::Shared;
use qm_core::{Error, Kind, Result, blocking};

/// The runtime has 512 threads that may block; whoever is carried through may wait for work that
/// another of them does, so they never get all.
const THREADS: usize = 256;

/// Bounds how many are carried through at a time; first come, first served.
pub(crate) struct Threads(Semaphore);

impl Default for Threads {
    fn default() -> Self {
        Self(Semaphore::new(THREADS))
    }
}

impl Shared {
    /// Runs the future to its end on a thread that may block: a session that goes away must not
    /// stop it between record and action, and its steps on a local disk need no other threads.
    pub(crate) async fn through<T: Send + 'static>(
        &self,
        operation: &'static str,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let interrupted = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Kind::Bug, "the server met an internal error")
                .during(operation)
                .source(error)
        };
        let permit = self.threads.0.acquire().await;
        let _permit = permit.map_err(|closed| interrupted(closed.into()))?;
        let runtime = Handle::current();
        let carried = match runtime.runtime_flavor() {
            // Its timers stand still while it waits for a thread of its own.
            RuntimeFlavor::CurrentThread => tokio::spawn(future),
            RuntimeFlavor::MultiThread | _ => {
                tokio::task::spawn_blocking(move || blocking::allowed(|| runtime.block_on(future)))
            }
        };
        carried.await.map_err(|failed| interrupted(failed.into()))?
    }
}
