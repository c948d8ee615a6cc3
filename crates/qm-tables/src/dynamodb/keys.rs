//! Which keys a load has had. A row that replaces one of its own file is counted as that: the
//! earlier one is superseded, and the later is counted as the earlier was. DynamoDB itself cannot
//! tell whose the old item was.

use std::hash::{BuildHasher as _, RandomState};

/// Keys beyond this are not remembered: 8 bytes each in a table that is at most three quarters
/// full are 32 MiB. The rows of a larger file are loaded as well, but one whose key comes again
/// later than that is counted as updated or unchanged, not as superseded.
const MOST: usize = SLOTS_AT_MOST / 4 * 3;
const SLOTS_AT_MOST: usize = 4 * 1024 * 1024;
const SLOTS_AT_FIRST: usize = 1024;
/// A free slot; no key's hash is 0.
const FREE: u64 = 0;
/// The bit of a slot that says what its key's row was.
const UNCHANGED: u64 = 1;

/// Hashes of keys, each with one bit. Two keys of three million share one with a probability of a
/// millionth, and nobody outside can choose them: the hash is seeded.
pub(super) struct Keys {
    slots: Vec<u64>,
    count: usize,
    most: usize,
    seed: RandomState,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![FREE; SLOTS_AT_FIRST],
            count: 0,
            most: MOST,
            seed: RandomState::new(),
        }
    }

    /// What became of the row that had this key, if there was one: true if it was in the table
    /// before the load, just so.
    pub(super) fn was_unchanged(&self, key: &[u8]) -> Option<bool> {
        let slot = self.slots[self.find(self.hash(key))];
        (slot != FREE).then_some(slot & UNCHANGED == UNCHANGED)
    }

    /// Remembers a row, or what became of it since.
    pub(super) fn note(&mut self, key: &[u8], is_unchanged: bool) {
        let hash = self.hash(key);
        let mut at = self.find(hash);
        if self.slots[at] == FREE {
            if self.count == self.most {
                return;
            }
            self.count += 1;
            if self.count > self.slots.len() / 4 * 3 {
                self.grow();
                at = self.find(hash);
            }
        }
        self.slots[at] = hash | u64::from(is_unchanged);
    }

    /// Never 0, with the lowest bit free.
    fn hash(&self, key: &[u8]) -> u64 {
        self.seed.hash_one(key) << 1 | 1 << 63
    }

    /// Where the hash is, or would be.
    fn find(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        // Any bits do, and the low ones are kept.
        let mut at = (hash >> 1) as usize & mask;
        while self.slots[at] != FREE && self.slots[at] & !UNCHANGED != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let twice = vec![FREE; self.slots.len() * 2];
        let slots = std::mem::replace(&mut self.slots, twice);
        for slot in slots.into_iter().filter(|slot| *slot != FREE) {
            let at = self.find(slot & !UNCHANGED);
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_remembered_with_what_became_of_them() {
        let mut keys = Keys::new();
        let key = |number: u32| number.to_be_bytes();
        for number in 0..100_000 {
            assert_eq!(keys.was_unchanged(&key(number)), None);
            keys.note(&key(number), number % 3 == 0);
        }
        for number in 0..100_000 {
            assert_eq!(keys.was_unchanged(&key(number)), Some(number % 3 == 0));
        }
        keys.note(&key(3), false);
        assert_eq!(keys.was_unchanged(&key(3)), Some(false));
        assert_eq!(
            (keys.count, keys.was_unchanged(&key(100_000))),
            (100_000, None)
        );
    }

    #[test]
    fn beyond_the_limit_no_memory_is_taken() {
        let mut keys = Keys::new();
        keys.most = 768;
        for number in 0..10_000_u32 {
            keys.note(&number.to_be_bytes(), false);
        }
        assert_eq!((keys.count, keys.slots.len()), (768, SLOTS_AT_FIRST));
        assert_eq!(keys.was_unchanged(&0_u32.to_be_bytes()), Some(false));
        assert_eq!(keys.was_unchanged(&9_999_u32.to_be_bytes()), None);
        // Full to its brim at its largest, it still ends a search at a free slot.
        assert!(MOST < SLOTS_AT_MOST && SLOTS_AT_MOST.is_power_of_two());
    }
}
