//! Files that are new and may still be written: nobody is told before they have rested.

use jiff::Timestamp;
use qm_core::name::ObjectKey;
use std::collections::BTreeMap;
use std::time::Duration;

use super::mark::Mark;

/// Some 20 MiB. Those beyond it wait for a later listing.
const FILES_MAX: usize = 100_000;

#[derive(Default)]
pub(super) struct Settling(BTreeMap<ObjectKey, Resting>);

struct Resting {
    mark: Mark,
    since: Timestamp,
}

impl Settling {
    /// The file is as `mark` says; what had rested as something else begins anew.
    pub(super) fn see(&mut self, key: &ObjectKey, mark: Mark, now: Timestamp) {
        let resting = self.0.get(key);
        if resting.is_none() && self.0.len() >= FILES_MAX {
            return;
        }
        // A clock that was set back must not make it rest for longer.
        let is_resting = resting.is_some_and(|file| file.mark == mark && file.since <= now);
        if !is_resting {
            self.0.insert(key.clone(), Resting { mark, since: now });
        }
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }

    /// Those that were last seen changed so long ago.
    pub(super) fn rested(
        &self,
        now: Timestamp,
        settle: Duration,
        limit: usize,
    ) -> Vec<(ObjectKey, Mark)> {
        let rested = |file: &&Resting| ends(file.since, settle) <= now || file.since > now;
        self.0
            .iter()
            .filter(|(_, file)| rested(file))
            .take(limit)
            .map(|(key, file)| (key.clone(), file.mark.clone()))
            .collect()
    }

    /// When the next one will have rested.
    pub(super) fn next(&self, settle: Duration) -> Option<Timestamp> {
        let first = self.0.values().map(|file| file.since).min()?;
        Some(ends(first, settle))
    }
}

fn ends(since: Timestamp, settle: Duration) -> Timestamp {
    since.checked_add(settle).unwrap_or(Timestamp::MAX)
}
