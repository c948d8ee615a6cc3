//! What is only in this process: small files that wait for their name, and uploads that wait for
//! another session. Bounded, because sessions come and go.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::metadata::Attributes;
use super::receiving::Receiving;
use qm_core::id::VersionId;

/// Small files whose session is gone: it ended between seal and publication, which takes moments,
/// or failed and forgot them.
const ORPHANS_MAX: usize = 64;
/// Uploads that wait for another session, 16 MiB each at most.
const PARKED_MAX: usize = 16;

/// A whole file in memory.
pub(super) struct Small {
    pub(super) bytes: Bytes,
    pub(super) attributes: Attributes,
}

#[derive(Default)]
pub(super) struct Held(Mutex<State>);

#[derive(Default)]
struct State {
    /// Versions that a session holds.
    open: HashSet<VersionId>,
    small: HashMap<VersionId, Arc<Small>>,
    /// In the order in which their sessions left.
    orphans: VecDeque<VersionId>,
    parked: VecDeque<(VersionId, Receiving)>,
}

impl Held {
    /// A session holds the version.
    pub(super) fn open(&self, version: VersionId) {
        self.0.lock().open.insert(version);
    }

    /// The session left.
    pub(super) fn close(&self, version: VersionId) {
        let mut state = self.0.lock();
        state.open.remove(&version);
        if !state.small.contains_key(&version) {
            return;
        }
        state.orphans.push_back(version);
        if state.orphans.len() > ORPHANS_MAX
            && let Some(oldest) = state.orphans.pop_front()
        {
            state.small.remove(&oldest);
        }
    }

    /// Keeps a whole file until it is published.
    pub(super) fn keep(&self, version: VersionId, small: Small) {
        self.0.lock().small.insert(version, Arc::new(small));
    }

    /// A whole file.
    pub(super) fn small(&self, version: VersionId) -> Option<Arc<Small>> {
        self.0.lock().small.get(&version).cloned()
    }

    /// Keeps an upload for another session; the one that waited longest makes room.
    pub(super) fn park(&self, version: VersionId, receiving: Receiving) {
        let mut state = self.0.lock();
        state.parked.push_back((version, receiving));
        if state.parked.len() > PARKED_MAX {
            state.parked.pop_front();
        }
    }

    /// The upload, for the session that goes on with it.
    pub(super) fn resume(&self, version: VersionId) -> Option<Receiving> {
        let parked = &mut self.0.lock().parked;
        let place = parked.iter().position(|(parked, _)| *parked == version)?;
        parked.remove(place).map(|(_, receiving)| receiving)
    }

    /// Forgets the version's bytes.
    pub(super) fn forget(&self, version: VersionId) {
        let mut state = self.0.lock();
        state.small.remove(&version);
        state.orphans.retain(|orphan| *orphan != version);
        state.parked.retain(|(parked, _)| *parked != version);
    }

    /// Versions that no session holds any more.
    pub(super) fn left(&self) -> Vec<VersionId> {
        let state = self.0.lock();
        let parked = state.parked.iter().map(|(version, _)| *version);
        parked.chain(state.orphans.iter().copied()).collect()
    }

    /// True if a session holds it.
    pub(super) fn is_open(&self, version: VersionId) -> bool {
        self.0.lock().open.contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgotten_files_are_bounded() {
        let held = Held::default();
        let version = |number| VersionId::from_parts(1, number);
        let count = ORPHANS_MAX as u128 + 1;
        for number in 0..count {
            held.open(version(number));
            held.keep(
                version(number),
                Small {
                    bytes: Bytes::from_static(b"x"),
                    attributes: Attributes::default(),
                },
            );
            held.close(version(number));
        }
        assert_eq!(held.left().len(), ORPHANS_MAX);
        assert!(held.small(version(0)).is_none());
        assert!(held.small(version(1)).is_some());
        held.forget(version(1));
        assert!(held.small(version(1)).is_none());
        assert_eq!(held.left().len(), ORPHANS_MAX - 1);
    }
}
