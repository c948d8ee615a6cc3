//! The cells of a sheet between two readers: the workbook's, which cannot stop midway, and ours, which
//! stops whenever the output is full. Deflated, they take about the room that the workbook took.

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use qm_core::{Error, Kind, Result};
use std::io::{self, BufReader, Cursor, Read, Write};

use crate::limits::{COLUMNS, EXTRA_CELLS, ROW_BYTES};
use crate::shape::refused;
use crate::value::Raw;

/// What stored cells may come to, deflated: twice the largest workbook.
const STORED_BYTES: usize = 64 * 1024 * 1024;
/// What they may come to as text: a shared text is in many cells.
const TEXT_BYTES: u64 = 1024 * 1024 * 1024;

/// What a sheet may come to.
struct Caps {
    stored_bytes: usize,
    text_bytes: u64,
}

/// What kind of text a cell has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tag {
    /// Somebody's.
    Text,
    /// A number, a date, a truth value.
    Exact,
    /// What stands where a formula failed.
    Failed,
}

impl Tag {
    const ALL: [Self; 3] = [Self::Text, Self::Exact, Self::Failed];
}

/// Takes cells in the order of their rows.
pub(super) struct Store {
    to: DeflateEncoder<Vec<u8>>,
    text_bytes: u64,
    caps: Caps,
    row: Option<StoredRow>,
}

/// Gives rows back.
#[derive(Default)]
pub(super) struct Stored(Option<BufReader<DeflateDecoder<Cursor<Vec<u8>>>>>);

/// A row of a sheet that is not empty.
#[derive(Debug, Default)]
pub(super) struct StoredRow {
    line: u64,
    /// One more than its last cell's column.
    count: usize,
    is_too_long: bool,
    text: String,
    /// Where each cell's text is; the first columns only.
    cells: Vec<Option<(Tag, usize, usize)>>,
}

impl StoredRow {
    /// The sheet's row.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    pub(super) fn cell(&self, at: usize) -> Raw<'_> {
        let Some(Some((tag, start, end))) = self.cells.get(at) else {
            return Raw::Missing;
        };
        let text = self.text.get(*start..*end).unwrap_or_default();
        match tag {
            Tag::Text => Raw::Text(text),
            Tag::Exact => Raw::Exact(text),
            Tag::Failed => Raw::Failed(text),
        }
    }

    fn begin(&mut self, line: u64) {
        self.line = line;
        self.count = 0;
        self.is_too_long = false;
        self.text.clear();
        self.cells.clear();
    }

    fn add(&mut self, column: usize, tag: Tag, text: &str) {
        self.count = self.count.max(column + 1);
        if self.text.len() + text.len() > ROW_BYTES {
            // It is only told that it was.
            self.is_too_long = true;
            self.text.clear();
            self.cells.clear();
        }
        if column >= COLUMNS + EXTRA_CELLS || self.is_too_long {
            return;
        }
        let start = self.text.len();
        self.text.push_str(text);
        if self.cells.len() <= column {
            self.cells.resize(column + 1, None);
        }
        self.cells[column] = Some((tag, start, self.text.len()));
    }
}

impl Store {
    pub(super) fn new() -> Self {
        Self::within(Caps {
            stored_bytes: STORED_BYTES,
            text_bytes: TEXT_BYTES,
        })
    }

    fn within(caps: Caps) -> Self {
        Self {
            to: DeflateEncoder::new(Vec::new(), Compression::fast()),
            text_bytes: 0,
            caps,
            row: None,
        }
    }

    /// A cell that is not empty; rows and columns from 0.
    pub(super) fn cell(&mut self, row: u32, column: u32, tag: Tag, text: &str) -> Result<()> {
        let line = u64::from(row) + 1;
        if self.row.as_ref().is_none_or(|row| row.line != line) {
            let mut next = self.row.take().unwrap_or_default();
            self.flush(&next)?;
            next.begin(line);
            self.row = Some(next);
        }
        self.text_bytes += text.len() as u64;
        if self.text_bytes > self.caps.text_bytes
            || self.to.get_ref().len() > self.caps.stored_bytes
        {
            return Err(refused(format!(
                "the sheet has more than {} MiB of text; send rows as CSV",
                TEXT_BYTES / 1024 / 1024
            )));
        }
        if let Some(row) = &mut self.row {
            row.add(column as usize, tag, text);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Stored> {
        if let Some(row) = self.row.take() {
            self.flush(&row)?;
        }
        let bytes = self.to.finish().map_err(lost)?;
        let decoder = DeflateDecoder::new(Cursor::new(bytes));
        Ok(Stored(Some(BufReader::new(decoder))))
    }

    fn flush(&mut self, row: &StoredRow) -> Result<()> {
        if row.count == 0 {
            return Ok(());
        }
        let mut write = |number: usize| self.to.write_all(&(number as u64).to_le_bytes());
        let mut head = || -> io::Result<()> {
            write(usize::try_from(row.line).map_err(io::Error::other)?)?;
            write(row.count)?;
            write(usize::from(row.is_too_long))?;
            write(row.cells.iter().flatten().count())?;
            for (column, cell) in row.cells.iter().enumerate() {
                let Some((tag, start, end)) = cell else {
                    continue;
                };
                write(column)?;
                write(*tag as usize)?;
                write(*start)?;
                write(*end)?;
            }
            write(row.text.len())
        };
        head()
            .and_then(|()| self.to.write_all(row.text.as_bytes()))
            .map_err(lost)
    }
}

impl Stored {
    /// The next row. False if there is none.
    pub(super) fn next(&mut self, row: &mut StoredRow) -> Result<bool> {
        let Some(from) = &mut self.0 else {
            return Ok(false);
        };
        read(from, row).map_err(lost)
    }
}

fn read(from: &mut impl Read, row: &mut StoredRow) -> io::Result<bool> {
    let mut number = [0; 8];
    let first = from.read(&mut number)?;
    if first == 0 {
        return Ok(false);
    }
    from.read_exact(&mut number[first..])?;
    row.begin(u64::from_le_bytes(number));
    let mut next = || -> io::Result<usize> {
        from.read_exact(&mut number)?;
        usize::try_from(u64::from_le_bytes(number)).map_err(io::Error::other)
    };
    row.count = next()?;
    row.is_too_long = next()? == 1;
    for _ in 0..next()? {
        let column = next()?;
        let tag = Tag::ALL.get(next()?).copied().unwrap_or(Tag::Text);
        row.cells.resize(column, None);
        row.cells.push(Some((tag, next()?, next()?)));
    }
    let length = next()? as u64;
    from.take(length).read_to_string(&mut row.text)?;
    Ok(true)
}

/// It is memory of ours: it cannot be lost.
fn lost(error: io::Error) -> Error {
    Error::new(Kind::Bug, "cells of the workbook were lost")
        .during("reading a workbook")
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many rows of one cell of 16 bytes, hardly any of which repeats, a sheet may have.
    fn rows(caps: Caps) -> u32 {
        const MOST: u32 = 20_000;
        let mut store = Store::within(caps);
        for row in 0..MOST {
            let text = format!(
                "{:016x}",
                u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            );
            if let Err(refusal) = store.cell(row, 0, Tag::Text, &text) {
                let said = "the sheet has more than 1024 MiB of text; send rows as CSV";
                assert_eq!(
                    (refusal.kind(), refusal.public_message()),
                    (Kind::Refused, said)
                );
                return row;
            }
        }
        MOST
    }

    #[test]
    fn a_sheet_of_too_much_text_is_refused() {
        let caps = |stored_bytes, text_bytes| Caps {
            stored_bytes,
            text_bytes,
        };
        assert_eq!(rows(caps(usize::MAX, u64::MAX)), 20_000);
        assert_eq!(rows(caps(usize::MAX, 16_000)), 1_000);
        // What the encoder still has in hand is not counted yet.
        let few = rows(caps(1_000, u64::MAX));
        assert!((10..20_000).contains(&few), "{few}");
    }
}
