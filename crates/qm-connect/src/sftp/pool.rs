//! Sessions that rest between deliveries, so that a thousand files do not log in a thousand times.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

use super::session::Session;

/// A session rests no longer: servers limit them, and firewalls forget them.
const REST: Duration = Duration::from_secs(30);

/// Sessions at rest, those that rest longest first.
pub(super) struct Pool {
    resting: Mutex<Resting>,
    sessions_max: usize,
}

#[derive(Default)]
struct Resting {
    sessions: VecDeque<(Session, Instant)>,
    is_watched: bool,
}

impl Pool {
    pub(super) fn new(sessions_max: u32) -> Arc<Self> {
        Arc::new(Self {
            resting: Mutex::default(),
            sessions_max: sessions_max as usize,
        })
    }

    /// The one that was used last, if it lives.
    pub(super) fn take(&self) -> Option<Session> {
        let mut resting = self.resting.lock();
        while let Some((session, _)) = resting.sessions.pop_back() {
            if !session.is_closed() {
                return Some(session);
            }
        }
        None
    }

    /// Lets a session rest that nothing is under way in.
    pub(super) fn give(self: &Arc<Self>, session: Session) {
        let mut resting = self.resting.lock();
        if resting.sessions.len() >= self.sessions_max {
            return;
        }
        resting.sessions.push_back((session, Instant::now() + REST));
        if !resting.is_watched {
            resting.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }
}

/// Ends sessions that have rested long enough, until none is left.
async fn watch(pool: Weak<Pool>) {
    loop {
        let (ended, next) = {
            let Some(pool) = pool.upgrade() else {
                return;
            };
            let mut resting = pool.resting.lock();
            let now = Instant::now();
            let rested = resting.sessions.iter().take_while(|(_, end)| *end <= now);
            let rested = rested.count();
            let ended: Vec<_> = resting.sessions.drain(..rested).collect();
            let next = resting.sessions.front().map(|(_, end)| *end);
            resting.is_watched = next.is_some();
            (ended, next)
        };
        for (session, _) in ended {
            session.farewell().await;
        }
        let Some(next) = next else {
            return;
        };
        tokio::time::sleep_until(next).await;
    }
}
