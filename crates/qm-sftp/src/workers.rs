//! Counts work that must end before something else may: a server that stops waits for its
//! sessions, a session for its uploads.

use std::convert::Infallible;
use tokio::sync::mpsc;

/// Held by whoever works; cloned for helpers.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Closing it is the signal; nothing is ever sent.
    _held: mpsc::Sender<Infallible>,
}

/// Waits for all workers of one kind.
#[derive(Debug)]
pub(crate) struct Workers {
    first: Worker,
    receiver: mpsc::Receiver<Infallible>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self {
            first: Worker { _held: sender },
            receiver,
        }
    }

    /// One more.
    pub(crate) fn worker(&self) -> Worker {
        self.first.clone()
    }

    /// Returns when none is left.
    pub(crate) async fn finished(mut self) {
        drop(self.first);
        while self.receiver.recv().await.is_some() {}
    }
}
