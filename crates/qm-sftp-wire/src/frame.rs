//! Cuts a channel's data into packets without joining it.

use bytes::{Buf as _, Bytes, BytesMut};
use std::collections::VecDeque;

use super::FramingError;
use super::cursor::Cursor;
use crate::limits::{PACKET_BYTES_MAX, SMALL_BYTES};

const LENGTH_BYTES: usize = 4;

/// One packet.
#[derive(Debug)]
pub struct Packet {
    /// Its type.
    pub kind: u8,
    /// What follows the type.
    pub body: Cursor,
    /// Its size with header, for accounting.
    pub size_bytes: usize,
}

/// Data received and not cut yet. Large pieces are kept as they came; small ones are joined, so
/// that a client which sends single bytes cannot make us keep more than it sent.
#[derive(Debug, Default)]
pub struct Framer {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    buffered_bytes: usize,
}

impl Framer {
    /// Takes data as received.
    pub fn push(&mut self, data: Bytes) {
        self.buffered_bytes += data.len();
        let continues_small = !self.small.is_empty()
            || self
                .pieces
                .back()
                .is_some_and(|last| last.len() < SMALL_BYTES);
        if data.len() < SMALL_BYTES && continues_small {
            self.small.extend_from_slice(&data);
        } else if !data.is_empty() {
            self.settle();
            self.pieces.push_back(data);
        }
    }

    /// Bytes taken and not given out.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// The next whole packet, if it is there. After an error nothing more may be asked.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, FramingError> {
        let Some(length) = self.peek_length() else {
            return Ok(None);
        };
        if length == 0 {
            return Err(FramingError("a packet without a type"));
        }
        if length > PACKET_BYTES_MAX {
            return Err(FramingError("a packet longer than 257 KiB"));
        }
        if self.buffered_bytes < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.settle();
        self.skip(LENGTH_BYTES);
        self.buffered_bytes -= length;
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        let mut missing = length;
        while missing > 0 {
            let Some(piece) = self.pieces.front_mut() else {
                break;
            };
            let part = if piece.len() <= missing {
                self.pieces.pop_front().unwrap_or_default()
            } else {
                piece.split_to(missing)
            };
            missing -= part.len();
            if first.is_empty() {
                first = part;
            } else {
                rest.push(part);
            }
        }
        let mut body = Cursor::new(first, rest, length);
        let kind = body
            .u8()
            .map_err(|_| FramingError("a packet without a type"))?;
        Ok(Some(Packet {
            kind,
            body,
            size_bytes: LENGTH_BYTES + length,
        }))
    }

    fn peek_length(&self) -> Option<usize> {
        let mut bytes = [0; LENGTH_BYTES];
        let mut filled = 0;
        let parts = self.pieces.iter().map(|p| &p[..]).chain([&self.small[..]]);
        for part in parts {
            let take = part.len().min(LENGTH_BYTES - filled);
            bytes[filled..filled + take].copy_from_slice(&part[..take]);
            filled += take;
            if filled == LENGTH_BYTES {
                return Some(u32::from_be_bytes(bytes) as usize);
            }
        }
        None
    }

    /// Makes the joined small pieces a piece like the others.
    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(self.small.split().freeze());
        }
    }

    /// Drops bytes that are there.
    fn skip(&mut self, count: usize) {
        self.buffered_bytes -= count;
        let mut missing = count;
        while missing > 0 {
            let Some(piece) = self.pieces.front_mut() else {
                return;
            };
            let take = missing.min(piece.len());
            piece.advance(take);
            missing -= take;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}
