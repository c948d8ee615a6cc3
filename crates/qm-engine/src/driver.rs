//! Drives reconcilers: pass, rest, pass. The same loop for all of them.

use futures_util::FutureExt as _;
use qm_core::{Error, Kind, Result};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::health::Health;
use crate::{
    AlertReconciler, DeliverReconciler, ExpectReconciler, Pass, Ports, Reconciler,
    RetainReconciler, RouteReconciler, TidyReconciler,
};

/// Rows written by another process (a redrive on the command line) come without a signal, and
/// wall clocks jump: nothing is found later than this.
pub(crate) const REST_MAX: Duration = Duration::from_secs(30);
/// How long a pass may go on after the node was asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Runs all reconcilers until `shutdown` is true (or its sender gone) and what they have begun
/// has ended.
pub async fn run(ports: Ports, shutdown: watch::Receiver<bool>) {
    let reconcilers: [Arc<dyn Reconciler>; 6] = [
        Arc::new(RouteReconciler::new(ports.clone())),
        Arc::new(DeliverReconciler::new(ports.clone())),
        Arc::new(TidyReconciler::new(ports.clone())),
        Arc::new(ExpectReconciler::new(ports.clone())),
        Arc::new(AlertReconciler::new(ports.clone())),
        Arc::new(RetainReconciler::new(ports.clone())),
    ];
    let mut loops = JoinSet::new();
    for reconciler in reconcilers {
        loops.spawn(run_one(reconciler, ports.clone(), shutdown.clone()));
    }
    while let Some(ended) = loops.join_next().await {
        if let Err(failure) = ended {
            tracing::error!(error = %failure, "a reconciler's loop has ended");
        }
    }
}

/// Runs one reconciler until `shutdown`.
pub async fn run_one(
    reconciler: Arc<dyn Reconciler>,
    ports: Ports,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut signals = ports.wake.listen();
    let mut config = ports.config.clone();
    let mut health = Health::new(reconciler.name());
    while !is_stopping(&shutdown) {
        // Seen before the pass, so that a signal during it leads to another one.
        signals.borrow_and_update();
        config.borrow_and_update();
        let result = tokio::select! {
            result = guarded(reconciler.as_ref()) => result,
            () = stopped_for(shutdown.clone(), STOP_GRACE) => break,
        };
        match result {
            Ok(pass) => {
                health.succeeded(&ports).await;
                if pass.has_progressed {
                    ports.wake.wake();
                }
                let pause = rest(&ports, pass);
                tokio::select! {
                    _ = signals.changed() => {}
                    _ = config.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                    () = stopped_for(shutdown.clone(), Duration::ZERO) => break,
                }
            }
            Err(error) => {
                let pause = health.failed(&error, &ports).await;
                // Signals do not shorten it: a pass that fails must not spin.
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = shutdown.wait_for(|stop| *stop) => break,
                }
            }
        }
    }
    reconciler.drain().await;
}

/// A pass that panics is a fault of ours and ends no loop.
async fn guarded(reconciler: &dyn Reconciler) -> Result<Pass> {
    AssertUnwindSafe(reconciler.pass())
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref()).during("reconciling")))
}

/// The error that a panic is.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    Error::new(Kind::Bug, "the server made a mistake of its own").with("panic", text)
}

fn rest(ports: &Ports, pass: Pass) -> Duration {
    pass.next.map_or(REST_MAX, |next| {
        Duration::try_from(next.duration_since(ports.clock.now()))
            .unwrap_or(Duration::ZERO)
            .min(REST_MAX)
    })
}

fn is_stopping(shutdown: &watch::Receiver<bool>) -> bool {
    *shutdown.borrow() || shutdown.has_changed().is_err()
}

/// Ends so long after the node was asked to stop.
async fn stopped_for(mut shutdown: watch::Receiver<bool>, grace: Duration) {
    // An error says that the sender is gone, which is a request to stop as well.
    let _ = shutdown.wait_for(|stop| *stop).await;
    tokio::time::sleep(grace).await;
}
