//! Where the file ends: its last chunk, shorter than a full one, is written when nothing follows.

use super::super::container::{Role, sealed_offset, split};
use super::super::digest::ChunkDigest;
use super::{OpenChunk, OpenState, SealedStaged, sealed_chunk};
use qm_core::Result;

impl SealedStaged {
    /// Makes the chunk in which the file ends the open one, without anything behind the end.
    pub(super) async fn open_last(&mut self) -> Result<(u64, usize)> {
        let (number, rest) = split(self.size_bytes);
        let mut last = match self.open.take() {
            Some(open) if open.number == number => open,
            other => {
                self.put_away(other);
                if rest == 0 {
                    OpenChunk::new(number)
                } else {
                    self.take_up(number).await?
                }
            }
        };
        if last.plain.len() != rest {
            last.plain.resize(rest, 0);
            last.state = OpenState::Changed;
        }
        self.open = Some(last);
        self.store_full().await?;
        Ok((number, rest))
    }

    /// Writes the open chunk as it is, not filled up; nothing is behind it.
    pub(super) async fn store_open(&mut self, role: Role) -> Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let number = open.number;
        let chunk = sealed_chunk(&self.cipher, number, role, &open.plain)?;
        let end = chunk.offset + chunk.bytes.len() as u64;
        self.inner.write(vec![chunk]).await?;
        if self.inner.size_bytes() > end {
            self.inner.set_size(end).await?;
        }
        self.stored.cut(number);
        Ok(())
    }

    pub(super) async fn store_last(&mut self) -> Result<()> {
        self.open_last().await?;
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.state != OpenState::StoredAsLast)
        {
            self.store_open(Role::Last).await?;
        }
        if let Some(open) = &mut self.open {
            open.state = OpenState::StoredAsLast;
        }
        self.catch_up(split(self.size_bytes).0).await
    }

    /// Forgets everything from `size_bytes` on.
    pub(super) async fn cut(&mut self, size_bytes: u64) -> Result<()> {
        self.coverage.cut(size_bytes);
        self.size_bytes = size_bytes;
        let (last, _) = split(size_bytes);
        // What lies behind the end must not come back when the file grows again.
        self.open = self.open.take().filter(|open| open.number <= last);
        self.stored.cut(last + 1);
        self.open_last().await?;
        if let Some(open) = &mut self.open {
            open.state = OpenState::Changed;
        }
        self.stored.cut(last);
        self.digest.rewind(last);
        if last == 0 {
            self.digest = ChunkDigest::default();
        }
        if self.inner.size_bytes() > sealed_offset(last) {
            self.inner.set_size(sealed_offset(last)).await?;
        }
        Ok(())
    }
}
