//! A notifier that keeps what it is given.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::alert::Notification;
use qm_core::ports::connector::NotifierPort;
use qm_core::{Error, Kind, Result};
use std::collections::VecDeque;

/// Keeps what it is given; fails when told to.
#[derive(Debug, Default)]
pub struct RecordingNotifier {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Kind>,
    down: Option<Kind>,
    sent: Vec<Notification>,
    attempts: u32,
}

impl RecordingNotifier {
    /// The next messages fail with these kinds, in turn.
    pub fn fails(&self, kinds: impl IntoIterator<Item = Kind>) {
        self.state.lock().script.extend(kinds);
    }

    /// Every message fails with this kind until `None` is set.
    pub fn set_down(&self, kind: Option<Kind>) {
        self.state.lock().down = kind;
    }

    /// What it took, in order.
    pub fn sent(&self) -> Vec<Notification> {
        self.state.lock().sent.clone()
    }

    /// How often it was asked to send.
    pub fn attempts(&self) -> u32 {
        self.state.lock().attempts
    }
}

#[async_trait]
impl NotifierPort for RecordingNotifier {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let mut state = self.state.lock();
        state.attempts += 1;
        let scripted = state.script.pop_front();
        if let Some(kind) = scripted.or(state.down) {
            return Err(Error::new(kind, "the mail server says no"));
        }
        state.sent.push(notification.clone());
        Ok(())
    }
}
