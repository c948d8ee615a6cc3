//! Reads a packet's body in place, across the pieces in which it was received.

use bytes::{Buf as _, Bytes, BytesMut};
use std::vec;

use super::Malformed;

/// The bytes of one packet that are not read yet.
#[derive(Clone, Debug)]
pub struct Cursor {
    current: Bytes,
    rest: vec::IntoIter<Bytes>,
    remaining: usize,
}

impl Cursor {
    /// `current` and then `rest`, `remaining` bytes in all.
    pub fn new(current: Bytes, rest: Vec<Bytes>, remaining: usize) -> Self {
        debug_assert_eq!(
            current.len() + rest.iter().map(Bytes::len).sum::<usize>(),
            remaining
        );
        Self {
            current,
            rest: rest.into_iter(),
            remaining,
        }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A long number.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A string, copied only where it spans pieces.
    pub fn string(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length()?;
        if self.current.len() >= length {
            self.remaining -= length;
            return Ok(self.current.split_to(length));
        }
        let mut joined = BytesMut::with_capacity(length);
        for piece in self.split(length) {
            joined.extend_from_slice(&piece);
        }
        Ok(joined.freeze())
    }

    /// A string as it was received, never copied.
    pub fn string_pieces(&mut self) -> Result<Vec<Bytes>, Malformed> {
        let length = self.length()?;
        Ok(self.split(length))
    }

    /// A length that the remaining bytes back.
    fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.u32()? as usize;
        if length > self.remaining {
            return Err(Malformed);
        }
        Ok(length)
    }

    /// The next `length` bytes; the caller has checked that they are there.
    fn split(&mut self, length: usize) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(1 + self.rest.len());
        let mut missing = length;
        while missing > 0 {
            if self.current.is_empty() && !self.advance() {
                break;
            }
            let piece = self.current.split_to(missing.min(self.current.len()));
            missing -= piece.len();
            pieces.push(piece);
        }
        self.remaining -= length - missing;
        pieces
    }

    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        if self.remaining < N {
            return Err(Malformed);
        }
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            if self.current.is_empty() && !self.advance() {
                return Err(Malformed);
            }
            let take = (N - filled).min(self.current.len());
            self.current
                .copy_to_slice(&mut bytes[filled..filled + take]);
            filled += take;
        }
        self.remaining -= N;
        Ok(bytes)
    }

    fn advance(&mut self) -> bool {
        match self.rest.next() {
            Some(piece) => {
                self.current = piece;
                true
            }
            None => false,
        }
    }
}
