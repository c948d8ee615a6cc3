//! Gzip, of one part or many, unpacked as much at a time as there is room for.

use flate2::bufread::MultiGzDecoder;
use qm_core::Result;
use std::io::{self, BufRead, Read};

use crate::limits::{GZIP_FREE_BYTES, GZIP_RATIO};
use crate::shape::refused;

/// A gzip file being unpacked.
pub(super) struct Gzip {
    decoder: MultiGzDecoder<Input>,
    taken_bytes: u64,
    unpacked_bytes: u64,
}

/// What was fed and is not unpacked yet.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
    is_ended: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            decoder: MultiGzDecoder::new(Input::default()),
            taken_bytes: 0,
            unpacked_bytes: 0,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.taken_bytes += bytes.len() as u64;
        let input = self.decoder.get_mut();
        input.bytes.drain(..input.at);
        input.at = 0;
        input.bytes.extend_from_slice(bytes);
    }

    /// There is no more to feed.
    pub(super) fn end(&mut self) {
        self.decoder.get_mut().is_ended = true;
    }

    /// Unpacks; 0 if more must be fed first, or nothing is left.
    pub(super) fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let length = match self.decoder.read(to) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(refused("the gzip file ends in its middle").source(error));
            }
            Err(error) => return Err(refused("the gzip file is damaged").source(error)),
        };
        self.unpacked_bytes += length as u64;
        let is_bomb = self.unpacked_bytes > GZIP_FREE_BYTES
            && self.unpacked_bytes / GZIP_RATIO > self.taken_bytes;
        if is_bomb {
            return Err(refused(format!(
                "the gzip file becomes more than {GZIP_RATIO} times its size"
            )));
        }
        Ok(length)
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() && !self.is_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(rest)
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}
