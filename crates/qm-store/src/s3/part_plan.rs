//! How a file is cut into parts, without knowing how long it will be. Arithmetic only.

use serde::{Deserialize, Serialize};

use super::part_memory::WHOLE_BYTES;

const GIB: u64 = 1024 * 1024 * 1024;

/// S3 takes no longer object.
pub(crate) const FILE_BYTES_MAX: u64 = 5 * 1024 * GIB;
/// A part that fits into memory is no longer; longer ones are spilled.
pub(crate) const MEMORY_PART_BYTES: u64 = WHOLE_BYTES as u64;

/// S3 takes no longer part.
const PART_BYTES_MAX: u64 = 5 * GIB;
/// So many parts are of the first size: 139 GiB at 16 MiB. S3 takes 10,000 parts, and 5 TiB needs
/// a thousand of the longest.
const EVEN_PARTS: u16 = 8_920;
/// Then so many of twice the size, and so on: a file a little longer should not need a part, and
/// so a spill file, of 5 GiB.
const STEP_PARTS: u16 = 12;
/// Every part but the last is a multiple of this: a file is continued where a part ends, and what
/// is sealed in chunks of 64 KiB can be continued only where a chunk ends whose digest is known,
/// every sixteenth.
const GRAIN_BYTES: u64 = 1024 * 1024;
/// After so many doublings every first size is above [`PART_BYTES_MAX`].
const DOUBLINGS_MAX: u16 = 9;

/// The sizes of the parts of one upload. Part numbers begin at 1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct PartPlan {
    first_bytes: u64,
}

impl PartPlan {
    /// For a file of about `size_hint`, if anybody knows.
    pub(crate) fn new(size_hint: Option<u64>) -> Self {
        let even = size_hint
            .unwrap_or_default()
            .min(FILE_BYTES_MAX)
            .div_ceil(EVEN_PARTS.into());
        Self {
            first_bytes: even.next_multiple_of(GRAIN_BYTES).max(MEMORY_PART_BYTES),
        }
    }

    /// How long a part is, unless the file ends in it.
    pub(crate) fn size_bytes(self, number: u16) -> u64 {
        let doublings = number
            .saturating_sub(EVEN_PARTS)
            .div_ceil(STEP_PARTS)
            .min(DOUBLINGS_MAX);
        (self.first_bytes << doublings).min(PART_BYTES_MAX)
    }

    /// Where a part begins.
    pub(crate) fn start_bytes(self, number: u16) -> u64 {
        let before = number.saturating_sub(1);
        let even = before.min(EVEN_PARTS);
        let grown = (EVEN_PARTS + 1..=before).map(|number| self.size_bytes(number));
        u64::from(even) * self.first_bytes + grown.sum::<u64>()
    }

    /// Parts so short that a test sees many.
    #[cfg(test)]
    pub(crate) fn short(first_bytes: u64) -> Self {
        Self { first_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const HINTS: [Option<u64>; 8] = [
        None,
        Some(0),
        Some(1),
        Some(16 * MIB),
        Some(139 * GIB),
        Some(200 * GIB),
        Some(FILE_BYTES_MAX),
        Some(u64::MAX),
    ];
    const PARTS_MAX: u16 = 10_000;

    fn every(check: impl Fn(PartPlan)) {
        for hint in HINTS {
            check(PartPlan::new(hint));
        }
    }

    #[test]
    fn the_longest_file_fits_into_ten_thousand_parts() {
        every(|plan| {
            let end = plan.start_bytes(PARTS_MAX) + plan.size_bytes(PARTS_MAX);
            assert!(end >= FILE_BYTES_MAX, "{plan:?}: {end}");
        });
    }

    #[test]
    fn every_offset_is_in_exactly_one_part() {
        every(|plan| {
            let mut start = 0;
            for number in 1..=PARTS_MAX {
                assert_eq!(plan.start_bytes(number), start, "{plan:?} part {number}");
                start += plan.size_bytes(number);
            }
        });
    }

    #[test]
    fn no_part_is_too_short_too_long_or_cuts_a_grain() {
        every(|plan| {
            for number in 1..=PARTS_MAX {
                let size = plan.size_bytes(number);
                assert!((5 * MIB..=5 * GIB).contains(&size), "{plan:?} {number}");
                assert_eq!(size % GRAIN_BYTES, 0, "{plan:?} {number}");
                assert!(number == 1 || size >= plan.size_bytes(number - 1));
            }
        });
    }

    #[test]
    fn up_to_139_gib_a_part_fits_into_memory() {
        for hint in [None, Some(139 * GIB)] {
            let plan = PartPlan::new(hint);
            let in_memory = (1..=PARTS_MAX)
                .take_while(|number| plan.size_bytes(*number) <= MEMORY_PART_BYTES)
                .last();
            assert!(plan.start_bytes(in_memory.unwrap() + 1) >= 139 * GIB);
        }
    }

    #[test]
    fn a_file_whose_size_is_known_has_even_parts() {
        let plan = PartPlan::new(Some(FILE_BYTES_MAX));
        assert!(plan.size_bytes(1) < 600 * MIB);
        assert!(plan.start_bytes(EVEN_PARTS + 1) >= FILE_BYTES_MAX);
    }
}
