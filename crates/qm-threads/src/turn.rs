//! Pieces that are over before another thread would be awake.
//!
//! Telling the runtime that a thread may block wakes another one to go on with its work, and what
//! was blocked wakes it once more when it is done. On a quick disk that costs more than the piece.
//! So while pieces are quick, one at a time runs untold. While it runs nobody may be looking at
//! sockets and timers: if it is not over soon, a thread that watches gives the runtime something
//! to do, and whoever is woken for that looks at them.

use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// What pieces may take on average to be called quick: a few times what waking a thread costs, and
/// far less than a disk takes that really writes.
const QUICK: Duration = Duration::from_millis(1);
/// Counts as so much at most: one hiccup is forgotten after a few quick ones.
const COUNTED_MAX: Duration = Duration::from_millis(16);
/// How often the watch looks whether a piece is the one that it saw before.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// After so many looks that found nothing the watch sleeps until the next piece.
const IDLE_LOOKS: u32 = 50;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// In microseconds; weighs the last pieces most.
static AVERAGE: AtomicU64 = AtomicU64::new(0);
static WATCH: OnceLock<Option<Watch>> = OnceLock::new();

/// The permission to run a piece untold. There is one.
pub(crate) struct Turn {
    watch: &'static Watch,
}

impl Turn {
    /// Nothing if pieces take long, if another piece has it, or if nobody could be woken.
    pub(crate) fn take() -> Option<Self> {
        if AVERAGE.load(Ordering::Relaxed) > micros(QUICK) {
            return None;
        }
        let runtime = Handle::current();
        if runtime.metrics().num_workers() < 2 {
            return None;
        }
        let watch = WATCH.get_or_init(Watch::start).as_ref()?;
        IS_TAKEN
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        watch.began(runtime);
        Some(Self { watch })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.watch.ended();
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// Takes down how long a piece took, whichever way it ran.
pub(crate) struct Measured(Instant);

impl Measured {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let took = micros(self.0.elapsed().min(COUNTED_MAX));
        let average = AVERAGE.load(Ordering::Relaxed);
        // Two at once may lose one: an estimate.
        AVERAGE.store((average * 7 + took) / 8, Ordering::Relaxed);
    }
}

/// The thread that watches.
struct Watch {
    thread: Thread,
    seen: &'static Seen,
}

/// What it looks at.
#[derive(Default)]
struct Seen {
    /// Counts beginnings and ends: odd while a piece runs.
    count: AtomicU64,
    is_asleep: AtomicBool,
    /// Where the last piece runs.
    runtime: Mutex<Option<Handle>>,
}

impl Watch {
    /// Nothing if there can be no more threads.
    fn start() -> Option<Self> {
        static SEEN: OnceLock<Seen> = OnceLock::new();
        let seen = SEEN.get_or_init(Seen::default);
        let spawned = thread::Builder::new()
            .name("piece-watch".to_owned())
            .stack_size(64 * 1024)
            .spawn(|| seen.watch());
        let thread = spawned.ok()?.thread().clone();
        Some(Self { thread, seen })
    }

    fn began(&self, runtime: Handle) {
        *self.seen.runtime.lock() = Some(runtime);
        self.seen.count.fetch_add(1, Ordering::SeqCst);
        if self.seen.is_asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    fn ended(&self) {
        self.seen.count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Seen {
    fn watch(&self) {
        let (mut before, mut idle_looks) = (0, 0);
        loop {
            let count = self.count.load(Ordering::SeqCst);
            let is_running = count % 2 == 1;
            if is_running && count == before {
                self.relieve();
            }
            idle_looks = if is_running || count != before {
                0
            } else {
                idle_looks + 1
            };
            before = count;
            if idle_looks < IDLE_LOOKS {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            self.is_asleep.store(true, Ordering::SeqCst);
            // Whoever began before the store did not see it.
            if self.count.load(Ordering::SeqCst) == count {
                thread::park();
            }
            self.is_asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Whoever is woken looks at sockets and timers when he has found nothing to do.
    fn relieve(&self) {
        let runtime = self.runtime.lock().clone();
        if let Some(runtime) = runtime {
            drop(runtime.spawn(std::future::ready(())));
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
