//! CSV as RFC 4180 has it, and as people write it.
//!
//! A row that is whole in the bytes at hand and has no quote is read where it lies; the others go
//! through `csv-core`, byte by byte. Both come to the same.

mod header;
mod place;
mod quoted;
mod row;

use qm_core::Result;
use qm_core::config::Declaration;
use qm_core::{Error, Kind};

use crate::collect::{Collector, too_many_columns};
use crate::limits::{COLUMNS, EXTRA_CELLS};
use crate::shape::refused;
use crate::{Finish, Output};
use header::Head;
use place::Place;
use quoted::{Quoted, Step};
use row::{Rows, wrong_byte};

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
            place: Place::start(),
            carry: Vec::new(),
        })
    }

    /// What is between cells, once it is known.
    pub(crate) fn delimiter(&self) -> Option<u8> {
        match &self.state {
            State::Head(_) => self.delimiter,
            State::Rows(rows) => Some(rows.delimiter()),
        }
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
        let line = self.place.line();
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
        self.place.back(bytes.len());
        let Some(text) = quoted.utf8() else {
            return Err(not_utf8(self.place.offset() + wrong_byte(row)));
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
        self.state = State::Rows(Box::new(Rows::new(delimiter, quoted)));
        Ok(())
    }
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
