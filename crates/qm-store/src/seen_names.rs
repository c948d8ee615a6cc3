//! Names of an object store that were seen lately: folders, which every upload asks for and most go
//! into the same one, and files that are new.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

use qm_core::name::Prefix;

/// Others may remove it meanwhile. A file that goes into a folder all the same brings it back, and
/// nothing else happens.
const KEPT: Duration = Duration::from_secs(5);
/// A client that makes names faster is asked about again.
const NAMES_MAX: usize = 4096;

#[derive(Default)]
pub(crate) struct SeenNames(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    at: HashMap<Prefix, Instant>,
    /// How often something was forgotten.
    forgotten: u64,
}

/// The moment before the store is asked: what is forgotten after it was removed meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    at: Instant,
    forgotten: u64,
}

impl SeenNames {
    /// To be called before the store is asked for what is noted then.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            at: Instant::now(),
            forgotten: self.0.lock().forgotten,
        }
    }

    /// The folder is there.
    pub(crate) fn note(&self, folder: Prefix, asked: Asked) {
        let mut seen = self.0.lock();
        if seen.forgotten != asked.forgotten {
            return;
        }
        if seen.at.len() >= NAMES_MAX {
            seen.at.clear();
        }
        seen.at.insert(folder, asked.at);
    }

    /// True if it was there a moment ago.
    pub(crate) fn has(&self, folder: &Prefix) -> bool {
        let seen = self.0.lock();
        seen.at.get(folder).is_some_and(|at| at.elapsed() < KEPT)
    }

    /// To be called after the folder was removed, or may have been.
    pub(crate) fn forget(&self, folder: &Prefix) {
        let mut seen = self.0.lock();
        seen.forgotten += 1;
        seen.at.remove(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Prefix {
        Prefix::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_is_known_for_a_moment() {
        let seen = SeenNames::default();
        let asked = seen.asked();
        tokio::time::advance(KEPT / 2).await;
        seen.note(folder("in"), asked);
        assert!(seen.has(&folder("in")) && !seen.has(&folder("in/deep")));
        tokio::time::advance(KEPT / 2).await;
        assert!(!seen.has(&folder("in")), "it counts from the question");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_removed_is_not_known() {
        let seen = SeenNames::default();
        seen.note(folder("in"), seen.asked());
        let asked = seen.asked();
        seen.forget(&folder("in"));
        assert!(!seen.has(&folder("in")));
        seen.note(folder("in"), asked);
        assert!(!seen.has(&folder("in")), "it was asked for before");
        seen.note(folder("in"), seen.asked());
        assert!(seen.has(&folder("in")));
    }

    #[test]
    fn there_are_never_too_many() {
        let seen = SeenNames::default();
        for number in 0..=NAMES_MAX {
            seen.note(folder(&number.to_string()), seen.asked());
        }
        assert_eq!(seen.0.lock().at.len(), 1);
    }
}
