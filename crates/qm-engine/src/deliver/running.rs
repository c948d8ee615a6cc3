//! The attempts that run now.

use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::delivery::Delivery;
use qm_core::id::{DeliveryId, DestinationName, RouteName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use tokio::task::JoinSet;

use super::stall::Progress;
use crate::Wake;

/// The attempts that run now, each on a task.
#[derive(Default)]
pub(super) struct Running {
    /// Apart from the rest: a runtime that shuts down drops what is spawned at once, and what is
    /// dropped counts itself out.
    join: Mutex<JoinSet<()>>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    attempts: BTreeMap<DeliveryId, Attempt>,
    /// Reported as stalled; some may have ended since.
    stalled: BTreeSet<DeliveryId>,
}

struct Attempt {
    delivery: Delivery,
    /// Where it counts.
    place: DestinationName,
    progress: Arc<Progress>,
}

impl Running {
    /// Runs `work` on a task; wakes the reconcilers when it has ended, however it ends.
    pub(super) fn start(
        self: &Arc<Self>,
        delivery: Delivery,
        place: DestinationName,
        progress: Arc<Progress>,
        wake: Wake,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = delivery.id;
        let ending = Ending {
            running: Arc::downgrade(self),
            id,
            wake,
        };
        let attempt = Attempt {
            delivery,
            place,
            progress,
        };
        self.table.lock().attempts.insert(id, attempt);
        self.join.lock().spawn(async move {
            let _ending = ending;
            work.await;
        });
    }

    /// Forgets tasks that have ended; true if one of them panicked.
    pub(super) fn reap(&self) -> bool {
        let mut join = self.join.lock();
        let mut has_panicked = false;
        while let Some(ended) = join.try_join_next() {
            if let Err(failure) = ended {
                has_panicked = true;
                tracing::error!(error = %failure, "an attempt's task has failed");
            }
        }
        has_panicked
    }

    /// All of them.
    pub(super) fn ids(&self) -> Vec<DeliveryId> {
        self.table.lock().attempts.keys().copied().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.table.lock().attempts.len()).unwrap_or(u32::MAX)
    }

    /// How many count at the place.
    pub(super) fn at(&self, place: &DestinationName) -> u32 {
        self.count_of(|attempt| attempt.place == *place)
    }

    /// How many are of the destination, wherever they count.
    pub(super) fn of(&self, destination: &DestinationName) -> u32 {
        self.count_of(|attempt| attempt.delivery.destination == *destination)
    }

    /// How many go to destinations that the route looked up.
    pub(super) fn looked_up_by(&self, route: &RouteName) -> u32 {
        self.count_of(|attempt| {
            let looked_up = attempt.delivery.destination.as_looked_up();
            looked_up.is_some_and(|(by, _)| by == *route)
        })
    }

    fn count_of(&self, is_one: impl Fn(&Attempt) -> bool) -> u32 {
        let table = self.table.lock();
        let count = table.attempts.values().filter(|one| is_one(one)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Waits until none runs. Dropped before, it ends them where they stand.
    pub(super) async fn ended(&self) {
        let mut join = std::mem::take(&mut *self.join.lock());
        while let Some(ended) = join.join_next().await {
            if let Err(failure) = ended {
                tracing::error!(error = %failure, "an attempt's task has failed");
            }
        }
    }

    /// Those that have not moved since `since` and were not reported yet.
    pub(super) fn stalled_since(&self, since: Timestamp) -> Vec<Delivery> {
        let table = self.table.lock();
        let stalled = table.attempts.values().filter(|attempt| {
            attempt.progress.moved_at() <= since && !table.stalled.contains(&attempt.delivery.id)
        });
        stalled.map(|attempt| attempt.delivery.clone()).collect()
    }

    /// It is reported.
    pub(super) fn reported(&self, delivery: DeliveryId) {
        self.table.lock().stalled.insert(delivery);
    }

    /// Those that were reported and do not run any more.
    pub(super) fn recovered(&self) -> Vec<DeliveryId> {
        let table = self.table.lock();
        let ended = |id: &&DeliveryId| !table.attempts.contains_key(id);
        table.stalled.iter().filter(ended).copied().collect()
    }

    /// The report is taken back.
    pub(super) fn resolved(&self, delivery: DeliveryId) {
        self.table.lock().stalled.remove(&delivery);
    }

    /// When the one that rests longest last moved, of those not reported.
    pub(super) fn moved_first(&self) -> Option<Timestamp> {
        let table = self.table.lock();
        let attempts = table.attempts.values();
        attempts
            .filter(|attempt| !table.stalled.contains(&attempt.delivery.id))
            .map(|attempt| attempt.progress.moved_at())
            .min()
    }
}

/// Counts an attempt out also when its task panics or is aborted.
///
/// Weak: dropping the reconciler drops the tasks, which end where they stand.
struct Ending {
    running: Weak<Running>,
    id: DeliveryId,
    wake: Wake,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(running) = self.running.upgrade() {
            running.table.lock().attempts.remove(&self.id);
        }
        self.wake.wake();
    }
}
