//! The header row, which says what is between cells if the declaration does not.

use crate::limits::ROW_BYTES;
use crate::shape::refused;
use qm_core::Result;

/// What may be between cells, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The bytes of a file until its header row is whole.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    quotes: Quotes,
}

/// Whether bytes are within quotes. A quote opens at the beginning of a cell only; two within are one.
#[derive(Debug, Default)]
struct Quotes {
    is_open: bool,
    last: Option<u8>,
    has_just_closed: bool,
}

impl Quotes {
    /// True if the byte is within quotes, or is one.
    fn pass(&mut self, byte: u8, quote: u8, delimiter: Option<u8>) -> bool {
        let last = self.last.replace(byte);
        let has_just_closed = std::mem::take(&mut self.has_just_closed);
        if byte != quote {
            return self.is_open;
        }
        if self.is_open {
            self.is_open = false;
            self.has_just_closed = true;
            return true;
        }
        let is_first = match (last, delimiter) {
            (None, _) => true,
            (Some(last), Some(delimiter)) => last == delimiter,
            (Some(last), None) => DELIMITERS.contains(&last),
        };
        self.is_open = is_first || has_just_closed;
        self.is_open
    }
}

impl Head {
    /// Takes bytes up to the end of the row, its line break not among them. Says how many, and
    /// whether the row is whole.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        quote: u8,
        delimiter: Option<u8>,
    ) -> Result<(usize, bool)> {
        let mut taken = bytes.len();
        let mut is_whole = false;
        for (at, byte) in bytes.iter().enumerate() {
            let is_quoted = self.quotes.pass(*byte, quote, delimiter);
            if matches!(byte, b'\n' | b'\r') && !is_quoted {
                (taken, is_whole) = (at, true);
                break;
            }
        }
        if self.bytes.len() + taken > ROW_BYTES {
            return Err(refused(format!(
                "the header row is longer than {} MiB, or a quote in it is never closed",
                ROW_BYTES / 1024 / 1024
            )));
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok((taken, is_whole))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is between the cells of a header row: what is there most often, outside of quotes.
pub(crate) fn delimiter(row: &[u8], quote: u8) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quotes = Quotes::default();
    for byte in row {
        if !quotes.pass(*byte, quote, None)
            && let Some(which) = DELIMITERS.iter().position(|own| own == byte)
        {
            counts[which] += 1;
        }
    }
    let mut best = 0;
    for which in 1..DELIMITERS.len() {
        if counts[which] > counts[best] {
            best = which;
        }
    }
    DELIMITERS[best]
}
