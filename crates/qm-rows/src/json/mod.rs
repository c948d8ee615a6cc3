//! JSON: an array of objects, or objects one after another, a value at a time.

mod object;
mod scan;

use qm_core::Result;
use std::collections::HashMap;

use crate::Output;
use crate::collect::Collector;
use crate::limits::{EXTRA_CELLS, ROW_BYTES};
use crate::shape::{Fault, refused};
use crate::value::{Raw, quoted};
use object::Object;
use scan::{End, Layout, Scan};

/// A file of JSON being read.
pub(crate) struct Json {
    state: State,
    layout: Layout,
    scan: Scan,
    /// The value under way, but for the piece at hand.
    value: Vec<u8>,
    is_too_long: bool,
    /// From 1; of the value under way while there is one.
    line: u64,
    /// Line breaks in the value so far.
    line_breaks: u64,
    /// Of the next byte.
    offset: u64,
    object: Object,
    /// Where each header is, once there are some.
    places: HashMap<String, usize>,
    /// Of the object at hand: which member is under each header.
    members: Vec<Option<usize>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before the first value or the bracket.
    Start,
    /// Before a value; in an array, what may come instead.
    Before {
        comma: bool,
        end: bool,
    },
    Value,
    /// After the array.
    After,
}

impl Json {
    pub(crate) fn new(rows: &mut Collector) -> Result<Self> {
        let mut json = Self {
            state: State::Start,
            layout: Layout::Lines,
            scan: Scan::default(),
            value: Vec::new(),
            is_too_long: false,
            line: 1,
            line_breaks: 0,
            offset: 0,
            object: Object::default(),
            places: HashMap::new(),
            members: Vec::new(),
        };
        let headers = rows.plan().headers();
        if rows.columns().is_some() {
            json.header(headers, rows)?;
        }
        Ok(json)
    }

    fn header(&mut self, headers: Vec<String>, rows: &mut Collector) -> Result<()> {
        self.places = headers.iter().cloned().zip(0..).collect();
        rows.header(headers)
    }

    /// Reads on until the bytes are gone or the output is full; says how many it took.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() && !output.is_full() {
            let rest = &bytes[taken..];
            let step = if self.state == State::Value {
                self.within(rest, rows, output)?
            } else {
                self.between(rest[0])?
            };
            taken += step;
            self.offset += step as u64;
        }
        Ok(taken)
    }

    /// What is left after the last byte.
    pub(crate) fn finish(&mut self, rows: &mut Collector, output: &mut Output) -> Result<()> {
        let is_cut = match (self.state, self.layout) {
            (State::Start | State::After, _) => false,
            (State::Before { .. } | State::Value, Layout::Array) => true,
            (State::Before { .. }, Layout::Lines) => false,
            (State::Value, Layout::Lines) => {
                self.whole(&[], rows, output)?;
                false
            }
        };
        if is_cut {
            return Err(refused(format!(
                "line {}: the file ends in the middle of its array",
                self.line + self.line_breaks
            )));
        }
        Ok(())
    }

    /// A byte that is in no value.
    fn between(&mut self, byte: u8) -> Result<usize> {
        if byte == b'\n' {
            self.line += 1;
        }
        if byte.is_ascii_whitespace() {
            return Ok(1);
        }
        let line = self.line;
        let unexpected = |expected: &str| {
            let found = quoted(&char::from(byte).to_string());
            refused(format!("line {line}: {found} is where {expected} must be"))
        };
        match (self.state, byte) {
            (State::Start, b'[') => {
                self.layout = Layout::Array;
                self.state = State::Before {
                    comma: false,
                    end: true,
                };
                Ok(1)
            }
            (State::Start, b'{') => {
                self.state = State::Value;
                Ok(0)
            }
            (State::Start, _) => Err(refused(format!(
                "line {line}: this is neither an array of objects nor one object after another"
            ))),
            (State::Before { comma: true, .. }, b',') => {
                self.state = State::Before {
                    comma: false,
                    end: false,
                };
                Ok(1)
            }
            (State::Before { end: true, .. }, b']') => {
                self.state = State::After;
                Ok(1)
            }
            (State::Before { comma: true, .. }, _) => Err(unexpected("a comma")),
            (State::Before { .. }, b',' | b']') => Err(unexpected("an object")),
            (State::Before { .. }, _) => {
                if self.layout == Layout::Lines && byte != b'{' {
                    self.scan = Scan::line();
                }
                self.state = State::Value;
                Ok(0)
            }
            (State::After, _) => Err(unexpected("the end of the file")),
            (State::Value, _) => Ok(0),
        }
    }

    /// Bytes of a value.
    fn within(&mut self, rest: &[u8], rows: &mut Collector, output: &mut Output) -> Result<usize> {
        let end = match self.scan.step(rest, self.layout) {
            // A value has a byte at least, however wrong it is.
            End::At(0) if self.value.is_empty() && !self.is_too_long => 1,
            End::At(end) => end,
            End::Later => {
                self.line_breaks += line_breaks(rest);
                if self.value.len() + rest.len() > ROW_BYTES {
                    self.is_too_long = true;
                    self.value = Vec::new();
                }
                if !self.is_too_long {
                    self.value.extend_from_slice(rest);
                }
                return Ok(rest.len());
            }
        };
        self.whole(&rest[..end], rows, output)?;
        Ok(end)
    }

    /// The value is whole; `last` are its last bytes.
    fn whole(&mut self, last: &[u8], rows: &mut Collector, output: &mut Output) -> Result<()> {
        let mut value = std::mem::take(&mut self.value);
        let start = self.offset - value.len() as u64;
        if self.is_too_long || value.len() + last.len() > ROW_BYTES {
            let reason = format!(
                "longer than {} MiB, the most that a row may have",
                ROW_BYTES / 1024 / 1024
            );
            let fault = Fault {
                column: None,
                reason,
            };
            rows.reject(self.line, fault, Vec::new(), output);
        } else if value.is_empty() {
            self.row(last, start, rows, output)?;
        } else {
            value.extend_from_slice(last);
            self.row(&value, start, rows, output)?;
        }
        self.line += self.line_breaks + line_breaks(last);
        self.line_breaks = 0;
        value.clear();
        self.value = value;
        self.is_too_long = false;
        self.scan = Scan::default();
        let is_array = self.layout == Layout::Array;
        self.state = State::Before {
            comma: is_array,
            end: is_array,
        };
        Ok(())
    }

    fn row(
        &mut self,
        value: &[u8],
        start: u64,
        rows: &mut Collector,
        output: &mut Output,
    ) -> Result<()> {
        let line = self.line;
        let whole_row = |reason| Fault {
            column: None,
            reason,
        };
        let source = match str::from_utf8(value) {
            Ok(source) => source.trim_ascii(),
            Err(error) => {
                let at = start + error.valid_up_to() as u64;
                let fault = whole_row(format!(
                    "byte {at} of the file is not in the declared encoding"
                ));
                rows.reject(line, fault, Vec::new(), output);
                return Ok(());
            }
        };
        if let Err(reason) = self.object.read(source) {
            rows.reject(line, whole_row(reason), Vec::new(), output);
            return Ok(());
        }
        if rows.columns().is_none() {
            let names = (0..self.object.len()).map(|at| self.object.name(source, at).to_owned());
            self.header(names.collect(), rows)?;
        }
        let fault = self.place(source, rows)?;
        let object = &self.object;
        let members = &self.members;
        let cell = |place: usize| {
            let member = members.get(place).copied().flatten();
            member.map_or(Raw::Missing, |at| object.value(source, at))
        };
        let Some(fault) = fault else {
            rows.row(line, members.len(), cell, output);
            return Ok(());
        };
        let mut cells = rows.shown(members.len(), cell);
        let others = (0..object.len()).filter(|at| !members.contains(&Some(*at)));
        for at in others.take(EXTRA_CELLS) {
            let text = object.value(source, at).text().map(str::to_owned);
            cells.push((object.name(source, at).to_owned(), text));
        }
        rows.reject(line, fault, cells, output);
        Ok(())
    }

    /// Finds the header of each member.
    fn place(&mut self, source: &str, rows: &Collector) -> Result<Option<Fault>> {
        self.members.clear();
        self.members.resize(rows.headers().len(), None);
        let mut fault = None;
        for at in 0..self.object.len() {
            let name = self.object.name(source, at);
            let named = |reason: &str| {
                Some(Fault {
                    column: Some(name.to_owned()),
                    reason: reason.to_owned(),
                })
            };
            match self.places.get(name) {
                Some(place) if self.members[*place].is_some() => {
                    fault = fault.or_else(|| named("twice in the object"));
                }
                Some(place) => self.members[*place] = Some(at),
                None if rows.plan().refuses_others() => {
                    return Err(refused(format!(
                        "line {}: the member {} is not declared, and no others may be there",
                        self.line,
                        quoted(name)
                    )));
                }
                None if rows.plan().is_other(name) => {}
                None => fault = fault.or_else(|| named("not a member of the first object")),
            }
        }
        Ok(fault)
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
