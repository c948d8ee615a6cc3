//! What waits for the writer, in the order of its calls.

use parking_lot::{Condvar, Mutex};
use qm_core::{Error, Kind};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::job::{Job, Urgency};

/// Most jobs in one transaction: bounds how long the first one waits for the others.
const GROUP_MAX: usize = 512;
/// Of those that are done in turn, where commits are cheap: a client waits for so many at most.
const IN_TURN_MAX: usize = 32;
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

/// What a commit costs beside the jobs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Commit {
    /// A disk writes: the more share it, the better.
    Dear,
    /// Next to nothing: nobody is kept waiting so that others may share it.
    Cheap,
}

/// Who makes a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Maker {
    /// Somebody whose client waits.
    Caller,
    /// The writer's thread.
    Thread,
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
            Urgency::Now | Urgency::InTurn => waiting.urgent += 1,
            Urgency::WithTheNext => {
                waiting.others_since.get_or_insert_with(Instant::now);
            }
        }
        waiting.jobs.push_back(job);
        Ok(())
    }

    /// Tells the thread of what was pushed.
    pub(super) fn tell(&self, urgency: Urgency) {
        if urgency != Urgency::WithTheNext || !self.waiting.lock().is_watched {
            self.told.notify_one();
        }
    }

    /// The next group; nothing if somebody else took it. Where commits are dear that is all, from the
    /// front. Where they are cheap, whoever `makes` the group for a client takes clients' jobs alone,
    /// and the thread leaves most of what is done in turn, so that the next client waits for less.
    pub(super) fn take(&self, commit: Commit, maker: Maker) -> Vec<Box<dyn Job>> {
        let mut waiting = self.waiting.lock();
        let mut in_turn = match commit {
            Commit::Dear => GROUP_MAX,
            Commit::Cheap => IN_TURN_MAX,
        };
        let is_all_taken = commit == Commit::Dear || maker == Maker::Thread;
        let (mut group, mut left) = (Vec::new(), VecDeque::new());
        for job in std::mem::take(&mut waiting.jobs) {
            let is_taken = group.len() < GROUP_MAX
                && match job.manner().urgency {
                    Urgency::Now => true,
                    Urgency::WithTheNext => is_all_taken,
                    Urgency::InTurn if is_all_taken && in_turn > 0 => {
                        in_turn -= 1;
                        true
                    }
                    Urgency::InTurn => false,
                };
            if is_taken {
                group.push(job);
            } else {
                left.push_back(job);
            }
        }
        let is_other = |job: &dyn Job| job.manner().urgency == Urgency::WithTheNext;
        let others = left.iter().filter(|job| is_other(&***job)).count();
        waiting.urgent = left.len() - others;
        if others == 0 || group.iter().any(|job| is_other(&**job)) {
            waiting.others_since = (others > 0).then(Instant::now);
        }
        waiting.jobs = left;
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

#[cfg(test)]
mod tests {
    use super::super::job::{Manner, Task};
    use super::*;

    /// `n`ow, `i`n turn, `w`ith the next.
    fn urgency(letter: char) -> Urgency {
        match letter {
            'n' => Urgency::Now,
            'i' => Urgency::InTurn,
            _ => Urgency::WithTheNext,
        }
    }

    fn letters<'a>(jobs: impl IntoIterator<Item = &'a Box<dyn Job>>) -> String {
        let letter = |urgency| match urgency {
            Urgency::Now => 'n',
            Urgency::InTurn => 'i',
            Urgency::WithTheNext => 'w',
        };
        let urgencies = jobs.into_iter().map(|job| job.manner().urgency);
        urgencies.map(letter).collect()
    }

    #[track_caller]
    fn check(commit: Commit, maker: Maker, waiting: &str, expect: &str, expect_left: &str) {
        let queue = Queue::default();
        for letter in waiting.chars() {
            let manner = Manner {
                urgency: urgency(letter),
                ..Manner::default()
            };
            let job = Task::new("test", manner, |_| Ok(()), |_: qm_core::Result<()>| {});
            assert!(queue.push(Box::new(job)).is_ok());
        }
        let group = queue.take(commit, maker);
        let left = queue.waiting.lock();
        assert_eq!(letters(&group), expect, "{commit:?} {maker:?} {waiting}");
        assert_eq!(letters(&left.jobs), expect_left, "{waiting}");
        assert_eq!(left.urgent, expect_left.replace('w', "").len(), "{waiting}");
        let is_dated = left.others_since.is_some();
        assert_eq!(is_dated, expect_left.contains('w'), "{waiting}");
    }

    #[test]
    fn whoever_waits_for_a_client_takes_clients_jobs_where_commits_are_cheap() {
        use Commit::{Cheap, Dear};
        use Maker::{Caller, Thread};
        for maker in [Caller, Thread] {
            check(Dear, maker, "winwi", "winwi", "");
            check(
                Dear,
                maker,
                &"i".repeat(600),
                &"i".repeat(512),
                &"i".repeat(88),
            );
            check(Cheap, maker, "", "", "");
        }
        check(Cheap, Caller, "winwni", "nn", "wiwi");
        check(Cheap, Caller, "ww", "", "ww");
        check(Cheap, Thread, "winwni", "winwni", "");
        let many = format!("w{}n", "i".repeat(40));
        check(
            Cheap,
            Thread,
            &many,
            &format!("w{}n", "i".repeat(32)),
            &"i".repeat(8),
        );
    }
}
