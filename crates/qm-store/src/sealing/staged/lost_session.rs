//! What is kept of an upload whose session is lost, and going on with it.

use super::super::container::{
    Role, SEALED_CHUNK_BYTES, damaged, plain_offset, sealed_offset, split, tail_bytes,
};
use super::super::digest::ChunkDigest;
use super::super::parked::ParkedState;
use super::{OpenChunk, OpenState, SealedStaged};
use qm_core::Result;
use qm_core::ports::bucket::Parked;

impl SealedStaged {
    /// Makes what can be kept durable; `None` if that is nothing.
    pub(super) async fn park(&mut self) -> Result<Option<Parked>> {
        let kept = self.coverage.contiguous();
        if kept < self.size_bytes {
            self.cut(kept).await?;
        }
        let (full, rest) = self.open_last().await?;
        // Short, so that no part of an object store ends behind it or in it: it stays where every
        // byte does.
        if rest > 0 {
            self.store_open(Role::Body).await?;
            if let Some(open) = &mut self.open {
                open.state = OpenState::Changed;
            }
        }
        let Some(inner) = self.inner.keep_contiguous().await? else {
            return Ok(None);
        };
        if inner.size_bytes < sealed_offset(full) + tail_bytes(rest) {
            // Only whole parts stay: the file goes on where the last whole chunk in them ends.
            let kept = inner.size_bytes / SEALED_CHUNK_BYTES as u64;
            self.open = None;
            self.size_bytes = plain_offset(kept);
            self.coverage.cut(self.size_bytes);
            self.stored.cut(kept);
            self.digest.rewind(kept);
        }
        if self.size_bytes == 0 {
            return Ok(None);
        }
        Ok(Some(Parked {
            token: inner.token.clone(),
            size_bytes: self.size_bytes,
            state: Some(ParkedState::save(
                &self.envelope,
                &inner,
                &self.digest,
                &self.cipher,
            )?),
        }))
    }

    /// Goes on behind the first `size_bytes`, which `inner` has; `None` if it cannot.
    pub(in crate::sealing) async fn resumed(
        mut self,
        size_bytes: u64,
        digest: ChunkDigest,
    ) -> Result<Option<Self>> {
        let (full, rest) = split(size_bytes);
        self.coverage.add(0, size_bytes);
        self.stored.add(0, full);
        self.size_bytes = size_bytes;
        self.digest = digest;
        let kept = self.take_up_rest(full, rest).await;
        if let Err(error) = kept {
            tracing::warn!(
                version = %self.inner.version(),
                error = error.chain(),
                "A broken-off upload cannot be continued: what was kept of it is not there"
            );
            return Ok(None);
        }
        Ok(Some(self))
    }

    async fn take_up_rest(&mut self, full: u64, rest: usize) -> Result<()> {
        let kept_bytes = sealed_offset(full) + tail_bytes(rest);
        if self.inner.size_bytes() < kept_bytes {
            return Err(damaged());
        }
        // The digest of the chunks behind its state is made from what can be read back.
        if self.digest.chunks() < full {
            self.read_stored(self.digest.chunks(), Role::Body, sealed_offset(1))
                .await?;
        }
        if rest > 0 {
            let plain = self.read_stored(full, Role::Body, tail_bytes(rest)).await?;
            self.open = Some(OpenChunk {
                number: full,
                plain,
                state: OpenState::Changed,
            });
        }
        if self.inner.size_bytes() > kept_bytes {
            self.inner.set_size(kept_bytes).await?;
        }
        Ok(())
    }
}
