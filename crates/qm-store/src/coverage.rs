//! Which parts of an upload were written: clients write in any order, and a hole must be found.

use std::collections::BTreeMap;

/// Ranges that were written, joined where they touch. Bounded by [`RANGES_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Start to end, never touching or overlapping.
    ranges: BTreeMap<u64, u64>,
}

/// A client that writes in order has one, one that writes 64 requests ahead at most as many;
/// more is an attack.
pub(crate) const RANGES_MAX: usize = 1_024;

impl Coverage {
    /// Adds `start..end`; false if there are too many separate ranges.
    pub(crate) fn add(&mut self, mut start: u64, mut end: u64) -> bool {
        if start >= end {
            return true;
        }
        if let Some((&before, &before_end)) = self.ranges.range(..=start).next_back()
            && before_end >= start
        {
            start = before;
            end = end.max(before_end);
            self.ranges.remove(&before);
        }
        while let Some((&next, &next_end)) = self.ranges.range(start..=end).next() {
            end = end.max(next_end);
            self.ranges.remove(&next);
        }
        self.ranges.insert(start, end);
        self.ranges.len() <= RANGES_MAX
    }

    /// Forgets everything from `size` on.
    pub(crate) fn cut(&mut self, size: u64) {
        self.ranges.split_off(&size);
        if let Some(mut last) = self.ranges.last_entry()
            && *last.get() > size
        {
            *last.get_mut() = size;
        }
    }

    /// True if all of `start..end` was written.
    pub(crate) fn covers(&self, start: u64, end: u64) -> bool {
        self.ranges
            .range(..=start)
            .next_back()
            .is_some_and(|(_, covered)| *covered >= end)
    }

    /// How much was written from the beginning without a hole.
    pub(crate) fn contiguous(&self) -> u64 {
        self.ranges.get(&0).copied().unwrap_or_default()
    }

    /// The first offset below `size` that was not written.
    pub(crate) fn hole(&self, size: u64) -> Option<u64> {
        let covered = self.contiguous();
        (covered < size).then_some(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes() {
        for (writes, size, expect) in [
            (&[(0, 10)][..], 10, None),
            (&[(0, 10)], 11, Some(10)),
            (&[(5, 10)], 10, Some(0)),
            (&[(5, 10), (0, 5)], 10, None),
            (&[(0, 3), (6, 9), (2, 7)], 9, None),
            (&[(0, 3), (6, 9), (2, 5)], 9, Some(5)),
            (&[], 0, None),
            (&[(4, 4)], 4, Some(0)),
        ] {
            let mut coverage = Coverage::default();
            for (start, end) in writes {
                assert!(coverage.add(*start, *end));
            }
            assert_eq!(coverage.hole(size), expect, "{writes:?} {size}");
            let is_whole = size > 0 && expect.is_none();
            assert_eq!(coverage.covers(0, size), is_whole, "{writes:?} {size}");
        }
    }

    #[test]
    fn cut() {
        let mut coverage = Coverage::default();
        coverage.add(0, 10);
        coverage.add(20, 30);
        coverage.cut(5);
        assert_eq!(coverage.hole(5), None);
        assert_eq!(coverage.hole(6), Some(5));
    }

    #[test]
    fn scattered_writes_are_bounded() {
        let mut coverage = Coverage::default();
        let too_many = (0..=RANGES_MAX as u64).find(|n| !coverage.add(n * 2 + 1, n * 2 + 2));
        assert_eq!(too_many, Some(RANGES_MAX as u64));
    }
}
