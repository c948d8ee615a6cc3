//! What a connection and its channels share: the sign to stop, the last activity, what each takes
//! from the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits::{CHANNELS_MAX, HANDLES_MAX};
use crate::shares::{Backlog, BacklogShare, Place, Places};

/// One connection, as seen by its parts.
#[derive(Debug)]
pub(crate) struct Life {
    started: Instant,
    last_active_ms: AtomicU64,
    channels: Places,
    handles: Places,
    backlog: Backlog,
    stop: watch::Sender<bool>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            last_active_ms: AtomicU64::new(0),
            channels: Places::new(CHANNELS_MAX),
            handles: Places::new(HANDLES_MAX),
            backlog: Backlog::default(),
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
    pub(crate) fn channel(&self) -> Option<Place> {
        self.channels.take()
    }

    /// A place for one more open handle, if there is one.
    pub(crate) fn handle(&self) -> Option<Place> {
        self.handles.take()
    }

    /// A channel's part of the requests that wait.
    pub(crate) fn backlog(&self) -> BacklogShare {
        self.backlog.share()
    }
}
