//! The memory of all uploads of the process. A whole part is reserved before its first byte, first
//! come first served: whoever waits does not read from its client, and nothing fails. Nobody waits
//! long: after a second a part goes to a file instead, and a part that nobody adds to for a second
//! is moved to a file while others wait.

use parking_lot::Mutex;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

use super::part_buffer::{Held, Stall};
use super::part_memory::{PartMemory, Reservation};
use super::part_plan::MEMORY_PART_BYTES;
use super::spill::SpillFolder;
use qm_core::Result;

/// So long a reservation waits, and so long a part may stand still while others wait. Less than
/// any client's patience, more than a pause between two packets.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Memory for parts, and the folder for what does not fit.
pub struct Arena {
    memory: Arc<PartMemory>,
    spill: Arc<SpillFolder>,
    /// Parts in memory that can be moved to files.
    parts: Mutex<Vec<Weak<tokio::sync::Mutex<Held>>>>,
}

impl Arena {
    /// `limit_bytes` of memory; what an earlier process spilled into `spill_folder` is removed.
    pub fn open(limit_bytes: usize, spill_folder: &Path) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            memory: PartMemory::new(limit_bytes),
            spill: Arc::new(SpillFolder::open(spill_folder)?),
            parts: Mutex::default(),
        }))
    }

    /// How much is reserved now.
    pub fn used_bytes(&self) -> usize {
        self.memory.used_bytes()
    }

    /// Memory for a part. `None` if it should go to a file: it is too long, or memory is short.
    pub(crate) async fn reserve(&self, size_bytes: u64) -> Option<Reservation> {
        let reserved = self.memory.reserve(self.fitting(size_bytes)?);
        tokio::pin!(reserved);
        let deadline = Instant::now() + PATIENCE;
        let mut look = Instant::now();
        loop {
            tokio::select! {
                biased;
                reservation = &mut reserved => return reservation,
                () = tokio::time::sleep_until(look) => {}
            }
            if Instant::now() >= deadline {
                return None;
            }
            look = self.move_stalled(size_bytes).min(deadline);
        }
    }

    /// Memory that nobody misses: less than half is used. Does not wait.
    pub(crate) fn reserve_spare(&self, size_bytes: u64) -> Option<Reservation> {
        let size_bytes = self.fitting(size_bytes)?;
        if self.used_bytes() > self.memory.limit_bytes() / 2 {
            return None;
        }
        self.memory.try_reserve(size_bytes)
    }

    /// From now on the part may be moved to a file while it stands still.
    pub(crate) fn watch(&self, part: &Arc<tokio::sync::Mutex<Held>>) {
        let mut parts = self.parts.lock();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(part));
    }

    pub(crate) fn spill(&self) -> &Arc<SpillFolder> {
        &self.spill
    }

    fn fitting(&self, size_bytes: u64) -> Option<u32> {
        let fits = size_bytes <= MEMORY_PART_BYTES.min(self.memory.limit_bytes() as u64);
        u32::try_from(size_bytes).ok().filter(|_| fits)
    }

    /// Moves as many parts as stand still and are needed. When to look again.
    fn move_stalled(&self, needed_bytes: u64) -> Instant {
        let now = Instant::now();
        let mut next = now + PATIENCE;
        let mut moving_bytes = 0;
        self.parts.lock().retain(|part| {
            let Some(part) = part.upgrade() else {
                return false;
            };
            if moving_bytes >= needed_bytes {
                return true;
            }
            match Held::stall(part, now, &self.spill) {
                Stall::Moving(size_bytes) => moving_bytes += size_bytes,
                Stall::NotBefore(then) => next = next.min(then),
                Stall::InUse => {}
                Stall::InFile => return false,
            }
            true
        });
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(limit_bytes: usize) -> (tempfile::TempDir, Arc<Arena>) {
        let folder = tempfile::tempdir().unwrap();
        let arena = Arena::open(limit_bytes, folder.path()).unwrap();
        (folder, arena)
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served() {
        let (_folder, arena) = arena(100);
        let all = arena.reserve(100).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        // The first wants most: those behind it must not overtake because they want less.
        for (number, wanted) in [(1, 90), (2, 10), (3, 50)] {
            let (arena, order) = (Arc::clone(&arena), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let got = arena.reserve(wanted).await.unwrap();
                order.lock().push(number);
                got
            }));
            tokio::task::yield_now().await;
        }
        assert!(arena.reserve_spare(1).is_none(), "nor may anybody else");
        drop(all);
        let mut got = Vec::new();
        for task in waiting.drain(..2) {
            got.push(task.await.unwrap());
        }
        assert_eq!(*order.lock(), [1, 2]);
        assert_eq!(arena.used_bytes(), 100);
        drop(got);
        waiting.remove(0).await.unwrap();
        assert_eq!(arena.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_second() {
        let (_folder, arena) = arena(100);
        let _all = arena.reserve(100).await.unwrap();
        let began = Instant::now();
        assert!(arena.reserve(1).await.is_none());
        assert_eq!(began.elapsed().as_millis() / 10, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_never_fit_does_not_wait() {
        let (_folder, arena) = arena(100);
        let began = Instant::now();
        assert!(arena.reserve(101).await.is_none());
        let (_folder, large) = self::arena(1 << 40);
        assert!(large.reserve(MEMORY_PART_BYTES + 1).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
