//! What a panic in a session comes to: the connection ends, nothing else does.

use qm_core::ports::access::{Gate, Offence};
use std::net::IpAddr;
use std::sync::Arc;

use super::fault::Progress;
use super::login::Login;
use crate::life::Life;

/// Reports a panic of the task that owns it, when that task unwinds.
#[derive(Clone)]
pub(super) struct PanicWatch {
    pub(super) gate: Arc<dyn Gate>,
    pub(super) source: IpAddr,
    pub(super) login: Arc<Login>,
    pub(super) life: Arc<Life>,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(source = %self.source, "a session panicked");
        match self.login.progress() {
            Progress::Silent | Progress::Tried | Progress::Hindered => {
                self.gate.penalise(self.source, Offence::Panic);
            }
            // Its neighbours behind the same address would pay for it.
            Progress::LoggedIn => {}
        }
        self.life.stop();
    }
}
