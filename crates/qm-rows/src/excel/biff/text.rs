//! Texts of records, in 8 or 16 bits a character, as UTF-8.

use super::super::ole::{u16_at, u32_at};

/// The texts that cells share, one after another.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

/// In the flags of a text.
const IS_WIDE: u8 = 1;
const HAS_MORE: u8 = 4;
const HAS_RUNS: u8 = 8;

impl Texts {
    /// Of a record and those that continue it. No more texts are believed than there are bytes.
    pub(super) fn read(pieces: &[&[u8]]) -> Option<Self> {
        let mut from = Pieces {
            all: pieces,
            current: 0,
            at: 8,
        };
        let count = u32_at(pieces.first()?, 4)?;
        let mut texts = Self::default();
        for _ in 0..count {
            if from.is_done() {
                break;
            }
            let length = from.u16()?;
            let flags = from.u8()?;
            let runs = if flags & HAS_RUNS == 0 {
                0
            } else {
                from.u16()?
            };
            let more = if flags & HAS_MORE == 0 {
                0
            } else {
                from.u32()?
            };
            from.text(length, flags & IS_WIDE != 0, &mut texts.text)?;
            from.skip(4 * usize::from(runs) + more as usize)?;
            texts.ends.push(texts.text.len());
        }
        Some(texts)
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}

/// Bytes that are cut into pieces.
struct Pieces<'a> {
    all: &'a [&'a [u8]],
    /// Which one is at hand, and where in it.
    current: usize,
    at: usize,
}

impl Pieces<'_> {
    /// What is left of the piece at hand; the next one if nothing is.
    fn rest(&mut self) -> &[u8] {
        while self.current < self.all.len() && self.at >= self.all[self.current].len() {
            self.current += 1;
            self.at = 0;
        }
        self.all
            .get(self.current)
            .and_then(|piece| piece.get(self.at..))
            .unwrap_or_default()
    }

    fn is_done(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn u8(&mut self) -> Option<u8> {
        let byte = *self.rest().first()?;
        self.at += 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > 0 {
            let step = self.rest().len().min(bytes);
            if step == 0 {
                return None;
            }
            self.at += step;
            bytes -= step;
        }
        Some(())
    }

    /// Characters; a piece that continues them says anew how wide they are.
    fn text(&mut self, length: u16, is_wide: bool, to: &mut String) -> Option<()> {
        let mut units = Vec::new();
        let mut left = usize::from(length);
        let mut width = if is_wide { 2 } else { 1 };
        let mut piece = self.current;
        while left > 0 {
            self.rest();
            if self.current != piece {
                piece = self.current;
                width = if self.u8()? & IS_WIDE == 0 { 1 } else { 2 };
            }
            let count = (self.rest().len() / width).min(left);
            if count == 0 || self.current != piece {
                return None;
            }
            let bytes = &self.rest()[..count * width];
            if width == 1 {
                units.extend(bytes.iter().map(|byte| u16::from(*byte)));
            } else {
                let pairs = bytes.chunks_exact(2);
                units.extend(pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
            }
            self.at += count * width;
            left -= count;
        }
        to.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        Some(())
    }
}

/// A text after its length in 16 bits.
pub(super) fn long_text(data: &[u8], at: usize) -> Option<String> {
    let length = u16_at(data, at)?;
    characters(data, at + 2, length)
}

/// A text after its length in 8 bits.
pub(super) fn short_text(data: &[u8], at: usize) -> Option<String> {
    let length = *data.get(at)?;
    characters(data, at + 1, length.into())
}

fn characters(data: &[u8], at: usize, length: u16) -> Option<String> {
    let flags = *data.get(at)?;
    let mut text = String::new();
    let mut from = Pieces {
        all: &[data],
        current: 0,
        at: at + 1,
    };
    from.text(length, flags & IS_WIDE != 0, &mut text)?;
    Some(text)
}
