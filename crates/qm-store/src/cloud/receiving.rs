//! Bytes on their way: in memory while the file is small, block by block when it is not.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use opendal::Writer;
use std::sync::Arc;

use super::Shared;
use super::blocks::SMALL_BYTES_MAX;
use super::errors::store_error;
use super::held::Small;
use super::metadata::Attributes;
use super::names;
use super::window::{Window, rewritten};
use crate::errors::failed;
use qm_core::id::Sha256Digest;
use qm_core::ports::bucket::{Chunk, Content as _, DigestBy, Staging};
use qm_core::{Error, Kind, Result};

/// One upload, whoever holds it.
#[derive(Default)]
pub(super) struct Receiving {
    window: Window,
    target: Target,
}

#[derive(Default)]
enum Target {
    /// Nowhere yet.
    #[default]
    Memory,
    /// A staged object that does not exist before its writer is closed.
    Streaming(Streaming),
    /// The staged object.
    Stored(Sha256Digest),
    /// Lost by an error.
    Failed,
}

struct Streaming {
    writer: Writer,
    blocks: u32,
    digest: Option<Context>,
}

impl Receiving {
    pub(super) fn size_bytes(&self) -> u64 {
        self.window.size_bytes()
    }

    pub(super) async fn write(
        &mut self,
        shared: &Shared,
        staging: &Staging,
        chunks: &[Chunk],
    ) -> Result<()> {
        for chunk in chunks {
            match self.target {
                Target::Memory | Target::Streaming(_) => self.window.write(chunk)?,
                Target::Stored(_) => return Err(rewritten()),
                Target::Failed => return Err(failed()),
            }
            if self.window.size_bytes() > SMALL_BYTES_MAX {
                self.begin(shared, staging).await?;
                self.hand_on(shared).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn read(
        &self,
        shared: &Arc<Shared>,
        staging: &Staging,
        offset: u64,
        length: u32,
    ) -> Result<Bytes> {
        if let Some(bytes) = self.window.read(offset, length) {
            return Ok(bytes);
        }
        match self.target {
            Target::Stored(_) => {
                let content = shared.content(names::staging(staging.version)).await?;
                let content = content.ok_or_else(gone)?;
                content.read(offset, length).await
            }
            Target::Memory | Target::Streaming(_) => Err(Error::new(
                Kind::Unsupported,
                "a large file cannot be read here before it is complete",
            )),
            Target::Failed => Err(failed()),
        }
    }

    pub(super) async fn set_size(
        &mut self,
        shared: &Shared,
        staging: &Staging,
        size_bytes: u64,
    ) -> Result<()> {
        if size_bytes == 0 && self.window.start() > 0 {
            return self.begin_anew(shared, staging).await;
        }
        if matches!(self.target, Target::Stored(_)) && size_bytes != self.window.size_bytes() {
            return Err(rewritten());
        }
        self.window.set_size(size_bytes)
    }

    /// Cuts off what lies behind the first byte that was never written; how much is left.
    pub(super) fn cut_to_contiguous(&mut self) -> Result<u64> {
        if matches!(self.target, Target::Failed) {
            return Ok(0);
        }
        let contiguous = self.window.contiguous();
        self.window.set_size(contiguous)?;
        Ok(contiguous)
    }

    /// Everything to where a publication finds it; the digest.
    pub(super) async fn seal(
        &mut self,
        shared: &Shared,
        staging: &Staging,
    ) -> Result<Sha256Digest> {
        match &mut self.target {
            Target::Memory => {
                self.window.check_whole()?;
                self.hold(shared, staging)
            }
            Target::Streaming(_) => {
                self.window.check_whole()?;
                self.store(shared, staging).await
            }
            Target::Stored(sha256) => Ok(*sha256),
            Target::Failed => Err(failed()),
        }
    }

    fn hold(&self, shared: &Shared, staging: &Staging) -> Result<Sha256Digest> {
        let bytes = self.window.all();
        let mut digest = digest(staging.digest);
        if let Some(digest) = &mut digest {
            digest.update(&bytes);
        }
        let attributes = Attributes::of(staging)?;
        shared
            .held
            .keep(staging.version, Small { bytes, attributes });
        Ok(finished(digest.as_ref()))
    }

    async fn store(&mut self, shared: &Shared, staging: &Staging) -> Result<Sha256Digest> {
        self.hand_on(shared).await?;
        let last = self.window.take(u64::MAX)?;
        let Target::Streaming(mut streaming) = std::mem::replace(&mut self.target, Target::Failed)
        else {
            return Err(failed());
        };
        streaming.send(last).await?;
        let closed = streaming.writer.close().await;
        closed.map_err(store_error("complete an upload"))?;
        let path = names::staging(staging.version);
        let stored = shared.store.head(&path).await;
        let stored = stored.map_err(store_error("look at an upload"))?;
        let size_bytes = stored.map(|head| head.size_bytes);
        if size_bytes != Some(self.window.size_bytes()) {
            return Err(Error::new(
                Kind::Unavailable,
                "the storage did not keep the whole file; please send it again",
            )
            .with("sent_bytes", self.window.size_bytes())
            .with("stored_bytes", size_bytes.unwrap_or_default()));
        }
        let sha256 = finished(streaming.digest.as_ref());
        self.target = Target::Stored(sha256);
        Ok(sha256)
    }

    /// Begins the staged object, unless that is done.
    async fn begin(&mut self, shared: &Shared, staging: &Staging) -> Result<()> {
        if !matches!(self.target, Target::Memory) {
            return Ok(());
        }
        let attributes = Attributes::of(staging)?;
        let path = names::staging(staging.version);
        if staging.deposit.is_some() {
            let removed = shared.store.delete(&path, None).await;
            removed.map_err(store_error("remove what an earlier attempt left"))?;
        }
        let begun = shared.store.writer(&path, &attributes).await;
        self.target = Target::Streaming(Streaming {
            writer: begun.map_err(store_error("begin an upload"))?,
            blocks: 0,
            digest: digest(staging.digest),
        });
        shared.held.forget(staging.version);
        Ok(())
    }

    /// Sends the blocks that are whole.
    async fn hand_on(&mut self, shared: &Shared) -> Result<()> {
        let Target::Streaming(streaming) = &mut self.target else {
            return Ok(());
        };
        loop {
            let size_bytes = shared.store.block_bytes(streaming.blocks);
            if self.window.contiguous() - self.window.start() < size_bytes {
                return Ok(());
            }
            let block = self.window.take(size_bytes)?;
            if let Err(error) = streaming.send(block).await {
                self.abandon().await;
                return Err(error);
            }
        }
    }

    async fn begin_anew(&mut self, shared: &Shared, staging: &Staging) -> Result<()> {
        if matches!(self.target, Target::Stored(_)) {
            let path = names::staging(staging.version);
            let removed = shared.store.delete(&path, None).await;
            removed.map_err(store_error("begin an upload anew"))?;
        }
        self.abandon().await;
        *self = Self::default();
        Ok(())
    }

    /// Gives up the staged object. That the store forgets it a week later is no failure.
    pub(super) async fn abandon(&mut self) {
        if let Target::Streaming(mut streaming) =
            std::mem::replace(&mut self.target, Target::Failed)
            && let Err(error) = streaming.writer.abort().await
        {
            tracing::debug!(
                error = store_error("give up an upload")(error).chain(),
                "An upload that was given up stays in the store for a week"
            );
        }
    }
}

impl Streaming {
    async fn send(&mut self, block: Bytes) -> Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        if let Some(digest) = &mut self.digest {
            digest.update(&block);
        }
        self.blocks += 1;
        let sent = self.writer.write(block).await;
        sent.map_err(store_error("store a part of a file"))
    }
}

fn digest(by: DigestBy) -> Option<Context> {
    match by {
        DigestBy::Bucket => Some(Context::new(&SHA256)),
        DigestBy::Caller => None,
    }
}

fn finished(digest: Option<&Context>) -> Sha256Digest {
    let mut sha256 = [0; 32];
    if let Some(digest) = digest {
        sha256.copy_from_slice(digest.clone().finish().as_ref());
    }
    Sha256Digest(sha256)
}

fn gone() -> Error {
    Error::new(Kind::NotFound, "the received bytes are gone")
}
