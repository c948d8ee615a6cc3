//! Rows after the header.

use qm_core::Result;

use super::place::Place;
use super::quoted::{Quoted, Step};
use super::{not_utf8, open_quote};
use crate::Output;
use crate::collect::Collector;
use crate::limits::{EXTRA_CELLS, ROW_BYTES};
use crate::shape::Fault;
use crate::value::Raw;

/// Reads rows where they lie, or piece by piece.
pub(super) struct Rows {
    delimiter: u8,
    quoted: Quoted,
    /// Of the row at hand: where its cells end.
    ends: Vec<usize>,
}

impl Rows {
    pub(super) fn new(delimiter: u8, quoted: Quoted) -> Self {
        Self {
            delimiter,
            quoted,
            ends: Vec::new(),
        }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Reads a row, or a part of one, or what is between two; says how many bytes.
    pub(super) fn step(
        &mut self,
        rest: &[u8],
        place: &mut Place,
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<usize> {
        if self.quoted.is_between_rows() {
            let blank = place.skip_blank(rest);
            if blank > 0 {
                return Ok(blank);
            }
            let within = &rest[..rest.len().min(ROW_BYTES)];
            let end = memchr::memchr2(b'\n', b'\r', within);
            if let Some(row) = end.map(|end| &rest[..end])
                && memchr::memchr(self.quoted.quote(), row).is_none()
            {
                self.plain_row(row, place, rows, output);
                place.pass(row.len());
                return Ok(row.len());
            }
        }
        self.quoted_row(rest, place, rows, output)
    }

    /// A row without quotes, where it lies.
    fn plain_row(&mut self, row: &[u8], place: &Place, rows: &mut Collector, output: &mut Output) {
        self.ends.clear();
        let kept = rows.headers().len() + EXTRA_CELLS;
        let mut count = 1;
        for end in memchr::memchr_iter(self.delimiter, row) {
            count += 1;
            if self.ends.len() < kept {
                self.ends.push(end);
            }
        }
        if self.ends.len() < kept {
            self.ends.push(row.len());
        }
        let ends = &self.ends;
        if let Ok(text) = str::from_utf8(row) {
            let cell = |at| match range(ends, at, 1) {
                Some((start, end)) => Raw::Text(text.get(start..end).unwrap_or_default()),
                None => Raw::Missing,
            };
            rows.row(place.line(), count, cell, output);
        } else {
            let text = |at: usize| {
                let (start, end) = range(ends, at, 1)?;
                Some(String::from_utf8_lossy(&row[start..end]).into_owned())
            };
            let at = place.offset() + wrong_byte(row);
            reject_bytes((place.line(), at), count, text, rows, output);
        }
    }

    /// A row with quotes, or a part of a row.
    fn quoted_row(
        &mut self,
        rest: &[u8],
        place: &mut Place,
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<usize> {
        let line = place.line();
        match self.quoted.step(rest) {
            Step::More(taken) => {
                place.pass(taken);
                Ok(taken)
            }
            Step::Row(taken) => {
                self.row(&rest[..taken], place, rows, output);
                place.pass_row(&rest[..taken], self.quoted.line_breaks());
                self.quoted.clear();
                Ok(taken)
            }
            Step::TooLong { taken, is_open } => {
                if is_open {
                    let within = format!("not closed within {} MiB", ROW_BYTES / 1024 / 1024);
                    return Err(open_quote(line, &within));
                }
                place.pass(taken);
                Ok(taken)
            }
            Step::Open => Err(open_quote(line, "never closed")),
            Step::Nothing => Ok(0),
        }
    }

    /// The row at hand; `last` are its last bytes.
    fn row(&self, last: &[u8], place: &Place, rows: &mut Collector, output: &mut Output) {
        let quoted = &self.quoted;
        if quoted.is_too_long() {
            let fault = Fault {
                column: None,
                reason: format!(
                    "longer than {} MiB, the most that a row may have",
                    ROW_BYTES / 1024 / 1024
                ),
            };
            return rows.reject(place.line(), fault, Vec::new(), output);
        }
        let count = quoted.count();
        if let Some(text) = quoted.utf8() {
            let cell = |at| {
                if at < quoted.kept() {
                    Raw::Text(quoted.cell(text, at))
                } else {
                    Raw::Missing
                }
            };
            rows.row(place.line(), count, cell, output);
        } else {
            let text = |at: usize| {
                (at < quoted.kept())
                    .then(|| String::from_utf8_lossy(quoted.cell_bytes(at)).into_owned())
            };
            let mut raw = quoted.raw().to_vec();
            raw.extend_from_slice(last);
            let at = place.offset() - quoted.raw().len() as u64 + wrong_byte(&raw);
            reject_bytes((place.line(), at), count, text, rows, output);
        }
    }

    /// What is left after the last byte.
    pub(super) fn finish(
        &mut self,
        place: &mut Place,
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<()> {
        match self.quoted.end() {
            Step::Open => Err(open_quote(place.line(), "never closed")),
            Step::Row(_) => {
                self.row(&[], place, rows, output);
                self.quoted.clear();
                Ok(())
            }
            Step::Nothing | Step::More(_) | Step::TooLong { .. } => Ok(()),
        }
    }
}

/// From where to where a cell is, with so many bytes between two.
pub(super) fn range(ends: &[usize], at: usize, between: usize) -> Option<(usize, usize)> {
    let end = *ends.get(at)?;
    let start = match at.checked_sub(1) {
        Some(before) => ends[before] + between,
        None => 0,
    };
    Some((start, end))
}

/// A row that is no text.
fn reject_bytes(
    (line, offset): (u64, u64),
    count: usize,
    text: impl Fn(usize) -> Option<String>,
    rows: &mut Collector,
    output: &mut Output,
) {
    let fault = Fault {
        column: None,
        reason: not_utf8(offset).public_message().to_owned(),
    };
    let kept = count.min(rows.headers().len() + EXTRA_CELLS);
    let texts: Vec<Option<String>> = (0..kept).map(text).collect();
    let cells = rows.shown(count, |at| {
        let text = texts.get(at).and_then(Option::as_deref);
        text.map_or(Raw::Missing, Raw::Text)
    });
    rows.reject(line, fault, cells, output);
}

/// Where bytes cease to be UTF-8.
pub(super) fn wrong_byte(bytes: &[u8]) -> u64 {
    str::from_utf8(bytes).map_or_else(|error| error.valid_up_to() as u64, |_| bytes.len() as u64)
}
