//! The part of an upload that is in memory: from the first byte that was not handed on.

use bytes::{Bytes, BytesMut};

use super::blocks::{AHEAD_BYTES_MAX, SMALL_BYTES_MAX};
use crate::coverage::Coverage;
use crate::errors::{incomplete, scattered, too_large};
use qm_core::ports::bucket::Chunk;
use qm_core::{Error, Kind, Result};

/// Bytes in any order, a few MiB at most.
#[derive(Default)]
pub(super) struct Window {
    /// So many bytes were handed on.
    start: u64,
    bytes: BytesMut,
    coverage: Coverage,
    size_bytes: u64,
}

impl Window {
    /// Where it begins: everything before was handed on.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The highest written offset, or what the size was set to.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How much was written from the beginning of the file without a hole.
    pub(super) fn contiguous(&self) -> u64 {
        self.coverage.contiguous()
    }

    /// Fails with `Invalid` and the offset if a part was never written.
    pub(super) fn check_whole(&self) -> Result<()> {
        match self.coverage.hole(self.size_bytes) {
            Some(offset) => Err(incomplete(offset)),
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, chunk: &Chunk) -> Result<()> {
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let length = chunk.bytes.len() as u64;
        let end = chunk.offset.checked_add(length).ok_or_else(too_large)?;
        let from = chunk.offset.checked_sub(self.start).ok_or_else(rewritten)?;
        let reach = (self.contiguous() + AHEAD_BYTES_MAX).max(SMALL_BYTES_MAX);
        // A chunk that continues the file may be as long as it likes: it is here already.
        if chunk.offset > self.contiguous() && end > reach {
            return Err(too_far_ahead());
        }
        let from = position(from)?;
        let to = from + chunk.bytes.len();
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        self.bytes[from..to].copy_from_slice(&chunk.bytes);
        self.size_bytes = self.size_bytes.max(end);
        if self.coverage.add(chunk.offset, end) {
            Ok(())
        } else {
            Err(scattered())
        }
    }

    /// Reads what is in memory; `None` if it was handed on.
    pub(super) fn read(&self, offset: u64, length: u32) -> Option<Bytes> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let from = from.min(self.bytes.len());
        let to = from.saturating_add(length as usize).min(self.bytes.len());
        Some(Bytes::copy_from_slice(&self.bytes[from..to]))
    }

    /// Cuts or extends; `Unsupported` if what would go was handed on.
    pub(super) fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        let kept = size_bytes.checked_sub(self.start).ok_or_else(rewritten)?;
        if size_bytes < self.size_bytes {
            self.bytes.truncate(position(kept)?);
            self.coverage.cut(size_bytes);
        }
        self.size_bytes = size_bytes;
        Ok(())
    }

    /// Hands on the next bytes, `size_bytes` at most.
    pub(super) fn take(&mut self, size_bytes: u64) -> Result<Bytes> {
        let size_bytes = size_bytes.min(self.bytes.len() as u64);
        self.start += size_bytes;
        Ok(self.bytes.split_to(position(size_bytes)?).freeze())
    }

    /// All there is, when nothing was handed on.
    pub(super) fn all(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
    }
}

fn position(offset: u64) -> Result<usize> {
    usize::try_from(offset).map_err(|_| too_large())
}

/// The sentence for a client that changes what is on its way already.
pub(super) fn rewritten() -> Error {
    Error::new(
        Kind::Unsupported,
        "a large file cannot be changed here while it is being sent; please send it from its \
         beginning to its end",
    )
}

fn too_far_ahead() -> Error {
    Error::new(
        Kind::Limit,
        "a large file must be sent in order here; please send it from its beginning to its end",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn chunk(offset: u64, size_bytes: usize) -> Chunk {
        let bytes = vec![u8::try_from(offset % 251).unwrap(); size_bytes].into();
        Chunk { offset, bytes }
    }

    #[test]
    fn what_was_handed_on_cannot_be_changed() {
        let mut window = Window::default();
        window.write(&chunk(0, 10 * MIB)).unwrap();
        assert_eq!(window.take(4 << 20).unwrap().len(), 4 * MIB);
        assert_eq!(window.start(), 4 << 20);
        let refused = window.write(&chunk(100, 1)).unwrap_err();
        assert_eq!(refused.kind(), Kind::Unsupported);
        assert_eq!(window.set_size(1).unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(window.read(100, 1), None);
        window.write(&chunk(5 << 20, 1)).unwrap();
        window.set_size(6 << 20).unwrap();
        assert_eq!(window.take(u64::MAX).unwrap().len(), 2 * MIB);
        window.check_whole().unwrap();
    }

    #[test]
    fn what_is_far_ahead_is_refused() {
        let mut window = Window::default();
        window.write(&chunk(8 * MIB as u64 - 1, 1)).unwrap();
        assert_eq!(
            window.write(&chunk(8 * MIB as u64, 1)).unwrap_err().kind(),
            Kind::Limit
        );
        window.write(&chunk(0, 9 * MIB)).unwrap();
        window.write(&chunk(13 * MIB as u64 - 1, 1)).unwrap();
        assert_eq!(
            window.write(&chunk(13 * MIB as u64, 1)).unwrap_err().kind(),
            Kind::Limit
        );
    }
}
