//! The signal that there may be something to do.

use std::sync::Arc;
use tokio::sync::watch;

/// Wakes every reconciler. Carries no data: whoever is woken looks at the rows. Many signals
/// while a pass runs are one more pass.
#[derive(Clone, Debug)]
pub struct Wake(Arc<watch::Sender<u64>>);

impl Default for Wake {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Wake {
    /// There may be something to do.
    pub fn wake(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Sees every signal from now on.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
