//! What a connection and its channels share: the sign to stop, the last activity, what must not
//! outlive it.

use qm_core::ports::access::{Gate, Offence};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::CHANNELS_MAX;

/// One connection, as seen by its parts.
#[derive(Debug)]
pub(crate) struct Life {
    started: Instant,
    last_active_ms: AtomicU64,
    channels: AtomicUsize,
    stop: watch::Sender<bool>,
}

/// A channel that counts; leaves when dropped.
#[derive(Debug)]
pub(crate) struct ChannelPlace(Arc<Life>);

/// Reports a panic of the task that owns it, when that task unwinds.
pub(crate) struct PanicWatch {
    gate: Arc<dyn Gate>,
    source: IpAddr,
    life: Arc<Life>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_active_ms: AtomicU64::new(0),
            channels: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
        }
    }

    /// The client did something.
    pub(crate) fn touch(&self) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_active_ms.store(elapsed_ms, Ordering::Relaxed);
    }

    /// How long the client has done nothing.
    pub(crate) fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last_active_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// When it began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Every channel finishes what it is doing, and no more.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// True after [`Life::stop`].
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns after [`Life::stop`].
    pub(crate) async fn stopped(&self) {
        // The sender is in `self`: it cannot be gone.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// A place for one more channel, if there is one.
    pub(crate) fn channel(self: &Arc<Self>) -> Option<ChannelPlace> {
        self.channels
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < CHANNELS_MAX).then_some(open + 1)
            })
            .ok()
            .map(|_| ChannelPlace(Arc::clone(self)))
    }
}

impl Drop for ChannelPlace {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PanicWatch {
    pub(crate) fn new(gate: Arc<dyn Gate>, source: IpAddr, life: Arc<Life>) -> Self {
        Self { gate, source, life }
    }
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(source = %self.source, "a session panicked");
            self.gate.penalise(self.source, Offence::Panic);
            self.life.stop();
        }
    }
}
