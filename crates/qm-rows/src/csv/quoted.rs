//! Rows with quotes, and rows whose bytes come piece by piece.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::limits::ROW_BYTES;

/// A row under way.
pub(super) struct Quoted {
    reader: Reader,
    quote: u8,
    /// Its cells, without quotes, one after another.
    text: Vec<u8>,
    text_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
    /// Cells beyond those that `ends` has room for.
    more_cells: usize,
    /// As it is written, but for the piece at hand.
    raw: Vec<u8>,
    line_breaks: u64,
    is_too_long: bool,
    is_begun: bool,
}

/// What came of a piece of a file.
#[derive(Debug)]
pub(super) enum Step {
    /// All is taken, the row goes on.
    More(usize),
    /// The row is whole.
    Row(usize),
    /// The row is longer than a row may be. Its rest, up to the next line break, is forgotten.
    TooLong {
        taken: usize,
        /// Nobody knows where it ends: it is within quotes.
        is_open: bool,
    },
    /// The file ends within quotes.
    Open,
    /// No row is under way.
    Nothing,
}

impl Quoted {
    pub(super) fn new(delimiter: u8, quote: u8, cells: usize) -> Self {
        Self {
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .quote(quote)
                .build(),
            quote,
            text: vec![0; 4096],
            text_length: 0,
            ends: vec![0; cells + 1],
            ends_length: 0,
            more_cells: 0,
            raw: Vec::new(),
            line_breaks: 0,
            is_too_long: false,
            is_begun: false,
        }
    }

    /// As many cells are kept; the others are counted.
    pub(super) fn limit_cells(&mut self, cells: usize) {
        self.ends = vec![0; cells + 1];
        self.clear();
    }

    pub(super) fn quote(&self) -> u8 {
        self.quote
    }

    pub(super) fn is_between_rows(&self) -> bool {
        !self.is_begun
    }

    /// Reads up to the end of the row or of the bytes.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        if self.is_too_long {
            return match memchr::memchr2(b'\n', b'\r', bytes) {
                Some(end) => Step::Row(end + 1),
                None => Step::More(bytes.len()),
            };
        }
        let room = ROW_BYTES - self.raw.len();
        let (is_row, taken) = self.read(&bytes[..bytes.len().min(room)]);
        if is_row {
            return Step::Row(taken);
        }
        self.is_begun = true;
        self.line_breaks += memchr::memchr_iter(b'\n', &bytes[..taken]).count() as u64;
        self.raw.extend_from_slice(&bytes[..taken]);
        if self.raw.len() < ROW_BYTES {
            return Step::More(taken);
        }
        self.is_too_long = true;
        self.raw = Vec::new();
        Step::TooLong {
            taken,
            is_open: !self.breaks_off(),
        }
    }

    /// There are no more bytes.
    pub(super) fn end(&mut self) -> Step {
        if !self.is_begun {
            Step::Nothing
        } else if self.is_too_long || self.breaks_off() {
            Step::Row(0)
        } else {
            Step::Open
        }
    }

    /// Ready for the next row.
    pub(super) fn clear(&mut self) {
        self.text_length = 0;
        self.ends_length = 0;
        self.more_cells = 0;
        self.raw.clear();
        self.line_breaks = 0;
        self.is_too_long = false;
        self.is_begun = false;
    }

    /// How many cells the row has.
    pub(super) fn count(&self) -> usize {
        self.ends_length + self.more_cells
    }

    /// How many of them are here.
    pub(super) fn kept(&self) -> usize {
        self.ends_length.min(self.ends.len() - 1)
    }

    /// The cells one after another, if each is UTF-8.
    pub(super) fn utf8(&self) -> Option<&str> {
        let ends = &self.ends[..self.kept()];
        let text = str::from_utf8(&self.text[..*ends.last()?]).ok()?;
        ends.iter()
            .all(|end| text.is_char_boundary(*end))
            .then_some(text)
    }

    pub(super) fn cell<'a>(&self, text: &'a str, at: usize) -> &'a str {
        let (start, end) = self.range(at);
        text.get(start..end).unwrap_or_default()
    }

    pub(super) fn cell_bytes(&self, at: usize) -> &[u8] {
        let (start, end) = self.range(at);
        &self.text[start..end]
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// In the pieces before the one at hand.
    pub(super) fn line_breaks(&self) -> u64 {
        self.line_breaks
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    fn range(&self, at: usize) -> (usize, usize) {
        super::row::range(&self.ends[..self.kept()], at, 0).unwrap_or_default()
    }

    /// Ends the row with a line break of ours. False if it is within quotes.
    fn breaks_off(&mut self) -> bool {
        self.read(b"\n").0
    }

    /// Whether the row is whole, and how many bytes are read.
    fn read(&mut self, bytes: &[u8]) -> (bool, usize) {
        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.reader.read_record(
                &bytes[taken..],
                &mut self.text[self.text_length..],
                &mut self.ends[self.ends_length..],
            );
            taken += read;
            self.text_length += written;
            self.ends_length += ended;
            match result {
                ReadRecordResult::Record => return (true, taken),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return (false, taken),
                ReadRecordResult::OutputFull => {
                    // No longer than what is read of the row, which has its limit.
                    let length = self.text.len() * 2;
                    self.text.resize(length, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    // The last place is for those that are only counted.
                    self.ends_length -= 1;
                    self.more_cells += 1;
                }
            }
        }
    }
}
