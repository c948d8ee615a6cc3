//! What was found to be nothing new, so that the next listing asks nobody about it again. Memory
//! only and bounded: what is not remembered is compared with the ledger.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::mark::Mark;

/// 32 MiB. Files beyond it cost a look into the ledger in every listing.
const FILES_MAX: usize = 1_000_000;

#[derive(Default)]
pub(super) struct Known {
    hashing: RandomState,
    /// By the hash of the key; 64 bits each with a key nobody can guess.
    files: HashMap<u64, File>,
    round: u32,
}

struct File {
    mark: u64,
    seen_in: u32,
}

/// What is remembered of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Memory {
    /// It is as it was.
    Same,
    /// It was another.
    Changed,
    /// Nothing.
    Nothing,
}

impl Known {
    pub(super) fn recall(&mut self, key: &str, mark: &Mark) -> Memory {
        let now = self.hashing.hash_one(mark);
        let round = self.round;
        match self.files.get_mut(&self.hashing.hash_one(key)) {
            None => Memory::Nothing,
            Some(file) => {
                file.seen_in = round;
                if file.mark == now {
                    Memory::Same
                } else {
                    Memory::Changed
                }
            }
        }
    }

    pub(super) fn remember(&mut self, key: &str, mark: &Mark) {
        let (key, mark) = (self.hashing.hash_one(key), self.hashing.hash_one(mark));
        if self.files.len() < FILES_MAX || self.files.contains_key(&key) {
            let seen_in = self.round;
            self.files.insert(key, File { mark, seen_in });
        }
    }

    /// The whole bucket was listed: what was not in it is forgotten.
    pub(super) fn listed(&mut self) {
        let round = self.round;
        self.files.retain(|_, file| file.seen_in == round);
        self.round = round.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn mark(size_bytes: u64) -> Mark {
        Mark {
            size_bytes,
            is_sealed: false,
            modified: Timestamp::UNIX_EPOCH,
            identity: None,
        }
    }

    #[test]
    fn files_are_known_as_long_as_they_are_listed() {
        let mut known = Known::default();
        assert_eq!(known.recall("a", &mark(1)), Memory::Nothing);
        known.remember("a", &mark(1));
        known.remember("b", &mark(1));
        known.listed();
        assert_eq!(known.recall("a", &mark(1)), Memory::Same);
        assert_eq!(known.recall("a", &mark(2)), Memory::Changed);
        known.listed();
        assert_eq!(known.recall("a", &mark(1)), Memory::Same);
        assert_eq!(known.recall("b", &mark(1)), Memory::Nothing);
    }

    #[test]
    fn memory_is_bounded() {
        let mut known = Known::default();
        for number in 0..=FILES_MAX {
            known.remember(&number.to_string(), &mark(1));
        }
        assert_eq!(known.files.len(), FILES_MAX);
        let last = FILES_MAX.to_string();
        assert_eq!(known.recall(&last, &mark(1)), Memory::Nothing);
        assert_eq!(known.recall("0", &mark(1)), Memory::Same);
    }
}
