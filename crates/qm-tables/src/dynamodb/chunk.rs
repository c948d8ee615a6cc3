//! Some rows of a file that are written together, each key once, and what becomes of each row.

use qm_core::load::Counts;
use std::collections::HashMap;

use super::item::{Item, KeyedItem};
use crate::told::Became;

/// What becomes of a row, as found before it is written. A byte of it goes into the control table
/// first: should the attempt break off in the middle, the next one counts the chunk's rows by that,
/// whether they were written or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// Nothing has its key.
    Inserted,
    /// Other values have its key.
    Updated,
    /// It is there.
    Unchanged,
    /// A row of a later arrival has its key.
    Late,
    /// A later row of the same chunk has its key.
    Replaced,
    /// It replaces a row of this load, and is counted as that was.
    Again,
    /// It replaces a row of this load that was unchanged, and is not.
    AgainUpdated,
    /// It is what a row of this load has made of its key already.
    AgainUnchanged,
    /// Written, whatever was there: nobody asked.
    Written,
}

/// A row under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) item: Item,
    pub(super) key: Vec<u8>,
    /// Which row of the file it is.
    pub(super) number: u64,
    pub(super) fate: Fate,
    /// It must be written, not only counted.
    pub(super) is_due: bool,
}

/// Some rows.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<Pending>,
    by_key: HashMap<Vec<u8>, usize>,
    pub(super) size_bytes: usize,
}

impl Fate {
    const ALL: [(u8, Self); 9] = [
        (b'i', Self::Inserted),
        (b'u', Self::Updated),
        (b'=', Self::Unchanged),
        (b'l', Self::Late),
        (b'r', Self::Replaced),
        (b'a', Self::Again),
        (b'A', Self::AgainUpdated),
        (b'~', Self::AgainUnchanged),
        (b'w', Self::Written),
    ];

    pub(super) fn byte(self) -> u8 {
        let found = Self::ALL.iter().find(|(_, fate)| *fate == self);
        found.map_or(b'?', |(byte, _)| *byte)
    }

    pub(super) fn of(byte: u8) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == byte);
        found.map(|(_, fate)| *fate)
    }

    pub(super) fn count(self, counts: &mut Counts) {
        match self {
            Self::Inserted | Self::Written => counts.inserted += 1,
            Self::Updated => counts.updated += 1,
            Self::Unchanged => counts.unchanged += 1,
            Self::Late | Self::Replaced | Self::Again | Self::AgainUnchanged => {
                counts.superseded += 1;
            }
            Self::AgainUpdated => {
                counts.superseded += 1;
                counts.unchanged = counts.unchanged.saturating_sub(1);
                counts.updated += 1;
            }
        }
    }

    /// What is to be remembered of the row's key: whether it was unchanged; `None` if the row has no
    /// part in what the table holds, or nothing new is known.
    pub(super) fn memory(self) -> Option<bool> {
        match self {
            Self::Unchanged => Some(true),
            Self::Inserted | Self::Updated | Self::AgainUpdated | Self::Written => Some(false),
            Self::Late | Self::Replaced | Self::Again | Self::AgainUnchanged => None,
        }
    }

    /// The row itself goes to the table, if it is not there.
    pub(super) fn is_written(self) -> bool {
        match self {
            Self::Inserted | Self::Updated | Self::Again | Self::AgainUpdated | Self::Written => {
                true
            }
            Self::Unchanged | Self::Late | Self::Replaced | Self::AgainUnchanged => false,
        }
    }

    /// What the log has of it, if it is written. One that replaces a row of this load updates it, however
    /// the two are counted.
    pub(super) fn told(self) -> Option<Became> {
        match self {
            Self::Inserted => Some(Became::Inserted),
            Self::Updated | Self::Again | Self::AgainUpdated => Some(Became::Updated),
            Self::Written => Some(Became::Written),
            Self::Unchanged | Self::Late | Self::Replaced | Self::AgainUnchanged => None,
        }
    }
}

impl Chunk {
    /// Takes the next row. An earlier one of its key is not written any more.
    pub(super) fn push(&mut self, row: KeyedItem) {
        let at = self.rows.len();
        if let Some(earlier) = self.by_key.insert(row.key.clone(), at) {
            let earlier = &mut self.rows[earlier];
            earlier.fate = Fate::Replaced;
            earlier.item = Item::new();
        }
        self.rows.push(Pending {
            item: row.item,
            key: row.key,
            number: row.number,
            fate: Fate::Written,
            is_due: false,
        });
        self.size_bytes += row.size_bytes;
    }

    /// The rows that are not replaced within the chunk.
    pub(super) fn distinct(&self) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|at| self.rows[*at].fate != Fate::Replaced)
            .collect()
    }

    /// The rows that must be written.
    pub(super) fn due(&self) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|at| self.rows[*at].is_due)
            .collect()
    }

    /// Which row has this key.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.by_key.clear();
        self.size_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_a_byte_and_is_one_row() {
        for (byte, fate) in Fate::ALL {
            assert_eq!((Fate::of(byte), fate.byte()), (Some(fate), byte));
            let mut counts = Counts {
                unchanged: 1,
                ..Counts::default()
            };
            fate.count(&mut counts);
            assert_eq!(counts.loaded() + counts.superseded, 2, "{fate:?}");
            assert_eq!(fate.told().is_some(), fate.is_written(), "{fate:?}");
        }
        assert_eq!(Fate::of(b'?'), None);
    }

    #[test]
    fn the_last_row_of_a_key_is_the_one_that_is_written() {
        let mut chunk = Chunk::default();
        for key in [b"a", b"b", b"a", b"a"] {
            let row = KeyedItem {
                item: Item::new(),
                key: key.to_vec(),
                size_bytes: 10,
                number: 1,
            };
            chunk.push(row);
        }
        assert_eq!(chunk.distinct(), [1, 3]);
        assert_eq!((chunk.find(b"a"), chunk.find(b"c")), (Some(3), None));
        assert_eq!(chunk.size_bytes, 40);
    }
}
