//! The events that are being read now, each on a task: a large file holds up no other.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use tokio::task::JoinSet;

use crate::Wake;

#[derive(Default)]
pub(super) struct Running {
    join: Mutex<JoinSet<()>>,
    events: Mutex<BTreeSet<i64>>,
}

impl Running {
    /// Runs `work` unless the event is being read already; wakes the reconcilers when it has
    /// ended, however it ends.
    pub(super) fn start(
        self: &Arc<Self>,
        event: i64,
        wake: Wake,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        if !self.events.lock().insert(event) {
            return;
        }
        let ending = Ending {
            running: Arc::downgrade(self),
            event,
            wake,
        };
        self.join.lock().spawn(async move {
            let _ending = ending;
            work.await;
        });
    }

    /// How many are being read.
    pub(super) fn count(&self) -> usize {
        self.events.lock().len()
    }

    /// Forgets tasks that have ended.
    pub(super) fn reap(&self) {
        while self.join.lock().try_join_next().is_some() {}
    }

    /// Waits until none is being read.
    pub(super) async fn ended(&self) {
        let mut join = std::mem::take(&mut *self.join.lock());
        while join.join_next().await.is_some() {}
    }
}

/// Counts an event out also when its task is aborted. Weak: dropping the reconciler drops the
/// tasks, which end where they stand.
struct Ending {
    running: Weak<Running>,
    event: i64,
    wake: Wake,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(running) = self.running.upgrade() {
            running.events.lock().remove(&self.event);
        }
        self.wake.wake();
    }
}
