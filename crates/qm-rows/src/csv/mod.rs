//! CSV as RFC 4180 has it, and as people write it.
//!
//! A row that is whole in the bytes at hand and has no quote is read where it lies; the others go
//! through `csv-core`, byte by byte. Both come to the same.

mod header;
mod quoted;

use qm_core::Result;
use qm_core::config::Declaration;
use qm_core::{Error, Kind};

use crate::collect::{Collector, too_many_columns};
use crate::limits::{COLUMNS, EXTRA_CELLS, ROW_BYTES};
use crate::shape::{Fault, refused};
use crate::value::Raw;
use crate::{Finish, Output};
use header::Head;
use quoted::{Quoted, Step};

/// A file of CSV being read.
pub(crate) struct Csv {
    quote: u8,
    /// As declared.
    delimiter: Option<u8>,
    state: State,
    place: Place,
    carry: Vec<u8>,
}

enum State {
    /// Before the end of the header row.
    Head(Head),
    Rows(Box<Rows>),
}

struct Rows {
    delimiter: u8,
    quoted: Quoted,
    /// Of the row at hand: where its cells end.
    ends: Vec<usize>,
}

/// Where the reader is.
struct Place {
    /// From 1.
    line: u64,
    /// Of the next byte.
    offset: u64,
    /// The last byte was a carriage return: a line feed goes with it.
    after_return: bool,
}

impl Csv {
    pub(crate) fn new(declaration: &Declaration) -> Result<Self> {
        let byte = |name: &str, mark: char| {
            u8::try_from(mark).ok().filter(u8::is_ascii).ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    format!("the {name} is no character of ASCII"),
                )
            })
        };
        Ok(Self {
            quote: byte("quote", declaration.quote.unwrap_or('"'))?,
            delimiter: declaration
                .delimiter
                .map(|mark| byte("delimiter", mark))
                .transpose()?,
            state: State::Head(Head::default()),
            place: Place {
                line: 1,
                offset: 0,
                after_return: false,
            },
            carry: Vec::new(),
        })
    }

    /// Reads on until the bytes are gone or the output is full; says how many it took.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() && self.carry(rows, output)? {
            let rest = &bytes[taken..];
            taken += match &mut self.state {
                State::Head(head)
                    if head.bytes().is_empty() && matches!(rest[0], b'\n' | b'\r') =>
                {
                    self.place.skip_blank(rest)
                }
                State::Head(head) => {
                    let (length, is_whole) = head.take(rest, self.quote, self.delimiter)?;
                    self.place.pass(length);
                    if is_whole {
                        self.begin(rows)?;
                    }
                    length
                }
                State::Rows(state) => state.step(rest, &mut self.place, rows, output)?,
            };
        }
        Ok(taken)
    }

    /// What is left after the last byte.
    pub(crate) fn finish(&mut self, rows: &mut Collector, output: &mut Output) -> Result<Finish> {
        match &self.state {
            State::Head(head) if head.bytes().is_empty() => return Ok(Finish::Done),
            State::Head(_) => self.begin(rows)?,
            State::Rows(_) => {}
        }
        if !self.carry(rows, output)? {
            return Ok(Finish::More);
        }
        if let State::Rows(state) = &mut self.state {
            state.finish(&mut self.place, rows, output)?;
        }
        Ok(Finish::Done)
    }

    /// Reads what was taken for a part of the header row and was none. False if the output is full.
    fn carry(&mut self, rows: &mut Collector, output: &mut Output) -> Result<bool> {
        while !output.is_full() {
            let State::Rows(state) = &mut self.state else {
                return Ok(true);
            };
            if self.carry.is_empty() {
                return Ok(true);
            }
            let taken = state.step(&self.carry, &mut self.place, rows, output)?;
            self.carry.drain(..taken);
        }
        Ok(false)
    }

    /// The header row is whole.
    fn begin(&mut self, rows: &mut Collector) -> Result<()> {
        let State::Head(head) = &self.state else {
            return Ok(());
        };
        let bytes = head.bytes();
        let line = self.place.line;
        let delimiter = self
            .delimiter
            .unwrap_or_else(|| header::delimiter(bytes, self.quote));
        let mut quoted = Quoted::new(delimiter, self.quote, COLUMNS);
        let mut step = quoted.step(bytes);
        if let Step::More(length) = step {
            step = match quoted.end() {
                Step::Row(_) => Step::Row(length),
                other @ (Step::More(_) | Step::TooLong { .. } | Step::Open | Step::Nothing) => {
                    other
                }
            };
        }
        let Step::Row(length) = step else {
            return Err(open_quote(line, "never closed"));
        };
        if quoted.count() > COLUMNS {
            return Err(too_many_columns());
        }
        let row = &bytes[..length];
        self.place.offset -= bytes.len() as u64;
        let Some(text) = quoted.utf8() else {
            return Err(not_utf8(self.place.offset + wrong_byte(row)));
        };
        let cell = |at: usize| quoted.cell(text, at).to_owned();
        let headers: Vec<String> = (0..quoted.count()).map(cell).collect();
        if rows.plan().is_foreign(&headers) {
            let found = crate::value::quoted(&headers[0]);
            return Err(refused(format!(
                "this is not CSV with a header row: line {line} is {found}"
            )));
        }
        self.place.pass_row(row, 0);
        self.carry = bytes[length..].to_vec();
        quoted.limit_cells(headers.len() + EXTRA_CELLS);
        rows.header(headers)?;
        self.state = State::Rows(Box::new(Rows {
            delimiter,
            quoted,
            ends: Vec::new(),
        }));
        Ok(())
    }
}

impl Rows {
    fn step(
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
        match str::from_utf8(row) {
            Ok(text) => {
                let cell = |at| match range(ends, at, 1) {
                    Some((start, end)) => Raw::Text(text.get(start..end).unwrap_or_default()),
                    None => Raw::Missing,
                };
                rows.row(place.line, count, cell, output);
            }
            Err(_) => {
                let text = |at: usize| {
                    let (start, end) = range(ends, at, 1)?;
                    Some(String::from_utf8_lossy(&row[start..end]).into_owned())
                };
                let at = place.offset + wrong_byte(row);
                reject_bytes((place.line, at), count, text, rows, output);
            }
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
        let line = place.line;
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
            return rows.reject(place.line, fault, Vec::new(), output);
        }
        let count = quoted.count();
        match quoted.utf8() {
            Some(text) => {
                let cell = |at| {
                    if at < quoted.kept() {
                        Raw::Text(quoted.cell(text, at))
                    } else {
                        Raw::Missing
                    }
                };
                rows.row(place.line, count, cell, output);
            }
            None => {
                let text = |at: usize| {
                    (at < quoted.kept())
                        .then(|| String::from_utf8_lossy(quoted.cell_bytes(at)).into_owned())
                };
                let mut raw = quoted.raw().to_vec();
                raw.extend_from_slice(last);
                let at = place.offset - quoted.raw().len() as u64 + wrong_byte(&raw);
                reject_bytes((place.line, at), count, text, rows, output);
            }
        }
    }

    fn finish(
        &mut self,
        place: &mut Place,
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<()> {
        match self.quoted.end() {
            Step::Open => Err(open_quote(place.line, "never closed")),
            Step::Row(_) => {
                self.row(&[], place, rows, output);
                self.quoted.clear();
                Ok(())
            }
            Step::Nothing | Step::More(_) | Step::TooLong { .. } => Ok(()),
        }
    }
}

impl Place {
    fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        if bytes > 0 {
            self.after_return = false;
        }
    }

    /// The last piece of a row, with its line break; line breaks of the pieces before it.
    fn pass_row(&mut self, last: &[u8], line_breaks: u64) {
        self.pass(last.len());
        self.line += line_breaks + memchr::memchr_iter(b'\n', last).count() as u64;
        if last.ends_with(b"\r") {
            self.line += 1;
            self.after_return = true;
        }
    }

    /// Passes line breaks: they end the row before, or are lines with nothing on them.
    fn skip_blank(&mut self, bytes: &[u8]) -> usize {
        let breaks = bytes.iter().take_while(|b| matches!(b, b'\n' | b'\r'));
        let blank = breaks.count();
        for byte in &bytes[..blank] {
            let is_return = *byte == b'\r';
            if is_return || !self.after_return {
                self.line += 1;
            }
            self.after_return = is_return;
        }
        self.offset += blank as u64;
        blank
    }
}

fn range(ends: &[usize], at: usize, between: usize) -> Option<(usize, usize)> {
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
fn wrong_byte(bytes: &[u8]) -> u64 {
    str::from_utf8(bytes).map_or_else(|error| error.valid_up_to() as u64, |_| bytes.len() as u64)
}

fn not_utf8(offset: u64) -> Error {
    refused(format!(
        "byte {offset} of the file is not in the declared encoding"
    ))
}

fn open_quote(line: u64, how: &str) -> Error {
    refused(format!(
        "line {line}: a quote is opened in this row and {how}"
    ))
}
