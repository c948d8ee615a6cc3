//! Memory of parts, given back to those who come next: freed and allocated by turns, blocks of this
//! size leave holes in the heap, and a process takes half as much again as it was allowed.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest part that is held in memory. A buffer for more than half of it is as long.
pub(crate) const WHOLE_BYTES: usize = 16 * 1024 * 1024;

/// What is not reserved, and buffers that were filled before.
pub(crate) struct PartMemory {
    free: Arc<Semaphore>,
    limit_bytes: usize,
    idle: Mutex<Vec<Vec<u8>>>,
}

impl PartMemory {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limit_bytes)),
            limit_bytes,
            idle: Mutex::default(),
        })
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.limit_bytes - self.free.available_permits()
    }

    /// Waits, first come first served.
    pub(crate) async fn reserve(self: &Arc<Self>, size_bytes: u32) -> Option<Reservation> {
        let permit = Arc::clone(&self.free).acquire_many_owned(size_bytes).await;
        Some(Reservation {
            permit: permit.ok()?,
            memory: Arc::clone(self),
        })
    }

    /// What is free this moment and nobody waits for.
    pub(crate) fn try_reserve(self: &Arc<Self>, size_bytes: u32) -> Option<Reservation> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(size_bytes);
        Some(Reservation {
            permit: permit.ok()?,
            memory: Arc::clone(self),
        })
    }

    /// An empty buffer for what was reserved.
    fn take(&self, size_bytes: usize) -> Vec<u8> {
        let mut idle = self.idle.lock();
        let taken = if size_bytes > WHOLE_BYTES / 2 {
            idle.pop()
                .unwrap_or_else(|| Vec::with_capacity(WHOLE_BYTES))
        } else {
            Vec::with_capacity(size_bytes)
        };
        // What lies idle is within the limit as well.
        let spare = self.limit_bytes - self.used_bytes().min(self.limit_bytes);
        idle.truncate(spare / WHOLE_BYTES);
        taken
    }

    fn give_back(&self, mut buffer: Vec<u8>, reserved_bytes: usize) {
        let mut idle = self.idle.lock();
        if self.used_bytes() <= reserved_bytes {
            idle.clear();
        } else if buffer.capacity() == WHOLE_BYTES {
            buffer.clear();
            idle.push(buffer);
        }
    }
}

/// Memory that is ours until it is dropped.
pub(crate) struct Reservation {
    permit: OwnedSemaphorePermit,
    memory: Arc<PartMemory>,
}

impl Reservation {
    pub(crate) fn size_bytes(&self) -> usize {
        self.permit.num_permits()
    }
}

/// Bytes in memory and what was reserved for them.
pub(crate) struct Block {
    bytes: Vec<u8>,
    reservation: Reservation,
}

impl Block {
    pub(crate) fn new(reservation: Reservation) -> Self {
        Self {
            bytes: reservation.memory.take(reservation.size_bytes()),
            reservation,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// No byte fits behind it.
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.reservation.size_bytes()
    }

    /// Writes within what is reserved.
    pub(crate) fn write(&mut self, start: usize, bytes: &[u8]) {
        let end = start + bytes.len();
        if start == self.bytes.len() {
            self.bytes.extend_from_slice(bytes);
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(bytes);
    }

    pub(crate) fn grow(&mut self, more: Reservation) {
        self.reservation.permit.merge(more.permit);
        let mut larger = self.reservation.memory.take(self.reserved_bytes());
        larger.extend_from_slice(&self.bytes);
        self.replace(larger);
    }

    /// Gives back what lies behind `length`, if that is much.
    pub(crate) fn shrink(&mut self, length: usize) {
        if length <= WHOLE_BYTES / 2 && length < self.reserved_bytes() {
            let smaller = self.bytes[..length].to_vec();
            self.replace(smaller);
            let surplus = self.reserved_bytes() - length;
            drop(self.reservation.permit.split(surplus));
        }
    }

    fn replace(&mut self, bytes: Vec<u8>) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.reservation.memory.give_back(before, 0);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let reserved = self.reservation.size_bytes();
        self.reservation.memory.give_back(bytes, reserved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: u32 = 16 << 20;

    fn block(memory: &Arc<PartMemory>, size_bytes: u32) -> Block {
        Block::new(memory.try_reserve(size_bytes).unwrap())
    }

    #[test]
    fn buffers_are_used_again_within_the_limit_and_freed_when_nobody_needs_one() {
        let memory = PartMemory::new(3 * WHOLE_BYTES);
        let idle = || memory.idle.lock().len();
        let first = block(&memory, WHOLE);
        let mut second = block(&memory, WHOLE - 100);
        second.write(0, b"of another upload");
        drop(second);
        assert_eq!(idle(), 1);
        let mut third = block(&memory, WHOLE);
        assert_eq!((idle(), third.bytes().len()), (0, 0));
        third.write(5, b"x");
        assert_eq!(third.bytes(), b"\0\0\0\0\0x");
        drop(third);
        let small = block(&memory, WHOLE / 2);
        assert_eq!(idle(), 1);
        let other = block(&memory, WHOLE / 2 + 1);
        let more = block(&memory, WHOLE / 2);
        assert_eq!(idle(), 0, "the limit is reached");
        drop((small, other, more));
        assert_eq!(idle(), 1);
        drop(first);
        assert_eq!((idle(), memory.used_bytes()), (0, 0));
    }

    #[test]
    fn a_block_grows_and_shrinks() {
        let memory = PartMemory::new(2 * WHOLE_BYTES);
        let mut block = block(&memory, 10);
        block.write(0, b"0123456789");
        block.grow(memory.try_reserve(WHOLE - 10).unwrap());
        block.write(10, b"abc");
        assert_eq!(block.bytes(), b"0123456789abc");
        assert_eq!(block.bytes.capacity(), WHOLE_BYTES);
        block.shrink(5);
        assert_eq!(block.bytes(), b"01234");
        assert_eq!((block.reserved_bytes(), memory.used_bytes()), (5, 5));
    }
}
