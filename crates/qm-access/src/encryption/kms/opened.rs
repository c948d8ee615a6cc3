//! Intermediate keys in memory, for a time and at most so many.

use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Intermediate;

/// A key for 10,000 versions each: a node reads bytes of few of them at a time.
const KEYS_MAX: usize = 1_000;

/// When something may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    from: Timestamp,
    length: SignedDuration,
}

#[derive(Default)]
pub(super) struct Opened {
    by_wrapping: HashMap<Vec<u8>, (Arc<Intermediate>, Lifetime)>,
}

impl Lifetime {
    pub(super) fn of(from: Timestamp, length: Duration) -> Self {
        Self {
            from,
            length: length.try_into().unwrap_or(SignedDuration::MAX),
        }
    }

    /// A clock that was set back does not make it longer.
    pub(super) fn contains(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.from);
        !age.is_negative() && age < self.length
    }
}

impl Opened {
    pub(super) fn get(&mut self, wrapping: &[u8], now: Timestamp) -> Option<Arc<Intermediate>> {
        self.forget_expired(now);
        let (found, _) = self.by_wrapping.get(wrapping)?;
        Some(Arc::clone(found))
    }

    pub(super) fn insert(&mut self, wrapping: &[u8], key: Arc<Intermediate>, lifetime: Lifetime) {
        if self.by_wrapping.len() >= KEYS_MAX {
            let oldest = self
                .by_wrapping
                .iter()
                .min_by_key(|(_, (_, lifetime))| lifetime.from)
                .map(|(wrapping, _)| wrapping.clone());
            if let Some(oldest) = oldest {
                self.by_wrapping.remove(&oldest);
            }
        }
        self.by_wrapping.insert(wrapping.to_vec(), (key, lifetime));
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.by_wrapping
            .retain(|_, (_, lifetime)| lifetime.contains(now));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;
    use crate::encryption::material::Material;

    const CACHE: Duration = Duration::from_mins(5);

    fn key() -> Arc<Intermediate> {
        Arc::new(Intermediate {
            material: Material::generate().unwrap(),
            origin: Origin {
                key: None,
                material: None,
            },
        })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000 + seconds).unwrap()
    }

    #[test]
    fn a_lifetime_has_both_ends() {
        let lifetime = Lifetime::of(at(0), CACHE);
        assert_eq!(
            [-1, 0, 299, 300].map(|second| lifetime.contains(at(second))),
            [false, true, true, false]
        );
        assert!(!Lifetime::of(at(0), Duration::ZERO).contains(at(0)));
    }

    #[test]
    fn what_is_over_is_dropped_and_with_it_wiped() {
        let mut opened = Opened::default();
        let key = key();
        opened.insert(b"a", Arc::clone(&key), Lifetime::of(at(0), CACHE));
        assert!(opened.get(b"a", at(299)).is_some());
        assert!(opened.get(b"b", at(299)).is_none());
        assert!(opened.get(b"a", at(300)).is_none());
        assert_eq!(Arc::strong_count(&key), 1);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut opened = Opened::default();
        let key = key();
        for n in 0..=u32::try_from(KEYS_MAX).unwrap() {
            let lifetime = Lifetime::of(at(i64::from(n)), Duration::from_hours(24));
            opened.insert(&n.to_be_bytes(), Arc::clone(&key), lifetime);
        }
        assert_eq!(opened.by_wrapping.len(), KEYS_MAX);
        let now = at(2_000);
        assert!(opened.get(&0_u32.to_be_bytes(), now).is_none());
        assert!(opened.get(&1_u32.to_be_bytes(), now).is_some());
    }
}
