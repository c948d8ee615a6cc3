//! The bytes of one part that is not sent yet: in memory, or in a file once memory is short.

use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::arena::{Arena, PATIENCE};
use super::client::{PartBody, SpilledBytes};
use super::part_memory::{Block, Reservation};
use super::spill::{SpillFile, SpillFolder};
use qm_core::Result;
use qm_core::ports::bucket::Chunk;

/// Bytes that are written in any order.
pub(crate) struct PartBuffer {
    arena: Arc<Arena>,
    /// No byte lies behind it.
    whole_bytes: u64,
    held: Arc<Mutex<Held>>,
}

impl PartBuffer {
    /// For a part of `whole_bytes` of which `expected_bytes` will come, as far as anybody knows.
    /// Waits for memory.
    pub(crate) async fn open(
        arena: &Arc<Arena>,
        whole_bytes: u64,
        expected_bytes: u64,
    ) -> Result<Self> {
        let reservation = arena.reserve(expected_bytes.min(whole_bytes)).await;
        Self::with(arena, whole_bytes, reservation).await
    }

    /// For bytes that are there already; does not wait for memory.
    pub(crate) async fn of(arena: &Arc<Arena>, bytes: Bytes) -> Result<Self> {
        let size_bytes = bytes.len() as u64;
        let buffer = Self::with(arena, size_bytes, arena.reserve_spare(size_bytes)).await?;
        buffer.write(vec![Chunk { offset: 0, bytes }]).await?;
        Ok(buffer)
    }

    async fn with(
        arena: &Arc<Arena>,
        whole_bytes: u64,
        reservation: Option<Reservation>,
    ) -> Result<Self> {
        let held = if let Some(reservation) = reservation {
            Held::Memory {
                block: Arc::new(Block::new(reservation)),
                touched: Instant::now(),
            }
        } else {
            let folder = Arc::clone(arena.spill());
            Held::File(qm_threads::run(move || folder.create().map(Arc::new)).await?)
        };
        let held = Arc::new(Mutex::new(held));
        arena.watch(&held);
        Ok(Self {
            arena: Arc::clone(arena),
            whole_bytes,
            held,
        })
    }

    /// Writes chunks; their offsets are within the part.
    pub(crate) async fn write(&self, chunks: Vec<Chunk>) -> Result<()> {
        let ends = chunks
            .iter()
            .map(|chunk| chunk.offset + chunk.bytes.len() as u64);
        let end = usize::try_from(ends.max().unwrap_or_default()).unwrap_or(usize::MAX);
        let mut held = Arc::clone(&self.held).lock_owned().await;
        if let Some(block) = self.block_with_room(&mut held, end).await {
            for chunk in &chunks {
                let start = usize::try_from(chunk.offset).unwrap_or(usize::MAX);
                block.write(start, &chunk.bytes);
            }
            return Ok(());
        }
        let folder = Arc::clone(self.arena.spill());
        qm_threads::run(move || {
            let file = held.move_to_file(&folder)?;
            chunks
                .iter()
                .try_for_each(|chunk| file.write_at(chunk.offset, &chunk.bytes))
        })
        .await
    }

    /// `None` if the bytes are or must go to a file: memory is short, or somebody still reads.
    async fn block_with_room<'a>(&self, held: &'a mut Held, end: usize) -> Option<&'a mut Block> {
        let Held::Memory { block, touched } = held else {
            return None;
        };
        let block = Arc::get_mut(block)?;
        let reserved = block.reserved_bytes();
        if end > reserved {
            let missing = self.whole_bytes - reserved as u64;
            block.grow(self.arena.reserve(missing).await?);
        }
        *touched = Instant::now();
        Some(block)
    }

    /// Reads; what was never written is zeros.
    pub(crate) async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let held = Arc::clone(&self.held).lock_owned().await;
        let file = match &*held {
            Held::Memory { block, .. } => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let there = block.bytes().get(start..).unwrap_or_default();
                let mut read = there[..length.min(there.len())].to_vec();
                read.resize(length, 0);
                return Ok(read.into());
            }
            Held::File(file) => Arc::clone(file),
        };
        qm_threads::run(move || file.read_at(offset, length)).await
    }

    /// The first `size_bytes`, all of them written, to be sent before the part is written again.
    pub(crate) async fn body(&self, size_bytes: u64) -> PartBody {
        match &*self.held.lock().await {
            Held::Memory { block, .. } => {
                let length = usize::try_from(size_bytes).unwrap_or(usize::MAX);
                PartBody::Bytes(Bytes::from_owner(Frozen(Arc::clone(block))).slice(..length))
            }
            Held::File(file) => PartBody::Spilled(Arc::new(Beginning {
                file: Arc::clone(file),
                size_bytes,
            })),
        }
    }

    /// Gives back memory behind `size_bytes`.
    pub(crate) async fn shrink(&self, size_bytes: u64) {
        if let Held::Memory { block, .. } = &mut *self.held.lock().await
            && let Some(block) = Arc::get_mut(block)
        {
            block.shrink(usize::try_from(size_bytes).unwrap_or(usize::MAX));
        }
    }
}

/// Where the bytes are.
pub(crate) enum Held {
    /// In memory. Shared with whoever sends them.
    Memory { block: Arc<Block>, touched: Instant },
    /// In a file.
    File(Arc<SpillFile>),
}

/// What became of a part that was asked whether it stands still.
pub(crate) enum Stall {
    /// It does, and so much memory will be free soon.
    Moving(u64),
    /// Not before then.
    NotBefore(Instant),
    /// Somebody works on it.
    InUse,
    /// It needs no memory.
    InFile,
}

impl Held {
    /// Begins to move the bytes to a file if nobody added to them for [`PATIENCE`].
    pub(crate) fn stall(held: Arc<Mutex<Self>>, now: Instant, folder: &Arc<SpillFolder>) -> Stall {
        let Ok(mut held) = held.try_lock_owned() else {
            return Stall::InUse;
        };
        let Self::Memory { block, touched } = &*held else {
            return Stall::InFile;
        };
        if now.duration_since(*touched) < PATIENCE {
            return Stall::NotBefore(*touched + PATIENCE);
        }
        // What is being sent stays in memory until it is sent, moved or not.
        if Arc::strong_count(block) > 1 {
            return Stall::InUse;
        }
        let size_bytes = block.reserved_bytes() as u64;
        let folder = Arc::clone(folder);
        tokio::task::spawn_blocking(move || move_quietly(&mut held, &folder));
        Stall::Moving(size_bytes)
    }

    fn move_to_file(&mut self, folder: &SpillFolder) -> Result<Arc<SpillFile>> {
        match self {
            Self::File(file) => Ok(Arc::clone(file)),
            Self::Memory { block, .. } => {
                let file = Arc::new(folder.create()?);
                file.write_at(0, block.bytes())?;
                *self = Self::File(Arc::clone(&file));
                Ok(file)
            }
        }
    }
}

/// A part that cannot be moved stays in memory: those who wait go to files themselves.
fn move_quietly(held: &mut OwnedMutexGuard<Held>, folder: &SpillFolder) {
    if let Err(error) = held.move_to_file(folder) {
        tracing::warn!(
            error = error.chain(),
            "Part of an idle upload stays in memory"
        );
        if let Held::Memory { touched, .. } = &mut **held {
            *touched = Instant::now();
        }
    }
}

/// Keeps the memory reserved until the last who sends the bytes is done.
struct Frozen(Arc<Block>);

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A file as long as it was when it was asked for.
struct Beginning {
    file: Arc<SpillFile>,
    size_bytes: u64,
}

impl SpilledBytes for Beginning {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.file.read_at(offset, length)
    }
}
