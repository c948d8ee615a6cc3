//! What waits for the writer, in the order of its calls.

use parking_lot::{Condvar, Mutex};
use qm_core::{Error, Kind};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::job::{Job, Urgency};

/// Most jobs in one transaction: bounds how long the first one waits for the others.
const GROUP_MAX: usize = 512;
/// Most jobs waiting: every session waits for its own, so more means that the disk has stopped.
const WAITING_MAX: usize = 16_384;
/// How long a job that no answer waits for waits for one to share its commit: about as long as
/// a client takes from one answer to the end of its next small file.
const COMPANY_WAIT: Duration = Duration::from_millis(5);

/// The queue; the writer's thread waits at its end.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    told: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    /// How many of them somebody's answer waits for.
    urgent: usize,
    /// Since when the first of the others waits.
    others_since: Option<Instant>,
    /// True while the thread looks at the clock: it need not be told of what can wait.
    is_watched: bool,
    is_closed: bool,
}

/// What the thread is to do.
pub(super) enum Next {
    /// Something waits.
    Group,
    /// Nothing came for so long.
    Nothing,
    /// Nothing will come any more, and nothing waits.
    End,
}

impl Queue {
    /// Puts it at the end; back with the reason if it cannot wait here.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), (Box<dyn Job>, Error)> {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return Err((job, closed()));
        }
        if waiting.jobs.len() == WAITING_MAX {
            let full = "the server has too much to record; please try again later";
            return Err((job, Error::new(Kind::Limit, full)));
        }
        match job.manner().urgency {
            Urgency::Now => waiting.urgent += 1,
            Urgency::WithTheNext => {
                waiting.others_since.get_or_insert_with(Instant::now);
            }
        }
        waiting.jobs.push_back(job);
        Ok(())
    }

    /// Tells the thread of what was pushed.
    pub(super) fn tell(&self, urgency: Urgency) {
        if urgency == Urgency::Now || !self.waiting.lock().is_watched {
            self.told.notify_one();
        }
    }

    /// The next group, from the front; nothing if somebody else took it.
    pub(super) fn take(&self) -> Vec<Box<dyn Job>> {
        let mut waiting = self.waiting.lock();
        let count = waiting.jobs.len().min(GROUP_MAX);
        let group: Vec<_> = waiting.jobs.drain(..count).collect();
        let urgencies = group.iter().map(|job| job.manner().urgency);
        waiting.urgent -= urgencies.filter(|urgency| *urgency == Urgency::Now).count();
        waiting.others_since = (waiting.jobs.len() > waiting.urgent).then(Instant::now);
        group
    }

    /// Waits for a group that is due, at most so long.
    pub(super) fn wait(&self, at_most: Duration) -> Next {
        let until = Instant::now() + at_most;
        let mut waiting = self.waiting.lock();
        loop {
            let due = match waiting.others_since {
                _ if waiting.urgent > 0 || waiting.jobs.len() >= GROUP_MAX => return Next::Group,
                Some(_) if waiting.is_closed => return Next::Group,
                None if waiting.is_closed => return Next::End,
                Some(since) => Some(since + COMPANY_WAIT),
                None => None,
            };
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                return Next::Group;
            }
            if until <= now {
                return Next::Nothing;
            }
            waiting.is_watched = due.is_some();
            self.told
                .wait_until(&mut waiting, due.unwrap_or(until).min(until));
            waiting.is_watched = false;
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.told.notify_all();
    }
}

/// Why nothing more is written.
pub(super) fn closed() -> Error {
    Error::new(Kind::Unavailable, "the server is stopping")
}
