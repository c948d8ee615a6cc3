//! Staged bytes of one version, as a session holds them.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

use super::Shared;
use super::names;
use super::receiving::Receiving;
use crate::errors::failed;
use qm_core::Result;
use qm_core::id::VersionId;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Attributes, Chunk, Parked, Sealed, Staged, Staging};

pub(super) struct CloudStaged {
    shared: Arc<Shared>,
    staging: Staging,
    size_bytes: u64,
    /// `None` once it is parked.
    receiving: Option<Receiving>,
}

impl CloudStaged {
    pub(super) fn new(shared: Arc<Shared>, staging: Staging, receiving: Receiving) -> Self {
        shared.held.open(staging.version);
        Self {
            size_bytes: receiving.size_bytes(),
            shared,
            staging,
            receiving: Some(receiving),
        }
    }
}

impl Drop for CloudStaged {
    fn drop(&mut self) {
        self.shared.held.close(self.staging.version);
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(mut receiving), Ok(runtime)) = (self.receiving.take(), runtime) {
            runtime.spawn(async move { receiving.abandon().await });
        }
    }
}

#[async_trait]
impl Staged for CloudStaged {
    fn version(&self) -> VersionId {
        self.staging.version
    }

    fn token(&self) -> Option<StagedToken> {
        Some(names::token(self.staging.version))
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        let receiving = self.receiving.as_mut().ok_or_else(failed)?;
        let written = receiving.write(&self.shared, &self.staging, &chunks).await;
        self.size_bytes = receiving.size_bytes();
        written
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        let receiving = self.receiving.as_ref().ok_or_else(failed)?;
        receiving
            .read(&self.shared, &self.staging, offset, length)
            .await
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        let receiving = self.receiving.as_mut().ok_or_else(failed)?;
        let set = receiving
            .set_size(&self.shared, &self.staging, size_bytes)
            .await;
        self.size_bytes = receiving.size_bytes();
        set
    }

    /// Nothing of an object is durable before all of it is: that is promised by [`Staged::seal`]
    /// and the publication, which follow or fail.
    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// In this process only: a new start begins such uploads anew.
    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        let Some(mut receiving) = self.receiving.take() else {
            return Ok(None);
        };
        self.size_bytes = receiving.cut_to_contiguous()?;
        if self.size_bytes == 0 {
            receiving.abandon().await;
            return Ok(None);
        }
        self.shared.held.park(self.staging.version, receiving);
        Ok(Some(Parked {
            token: names::token(self.staging.version),
            size_bytes: self.size_bytes,
            state: None,
        }))
    }

    async fn seal(&mut self) -> Result<Sealed> {
        let receiving = self.receiving.as_mut().ok_or_else(failed)?;
        let sha256 = receiving.seal(&self.shared, &self.staging).await?;
        Ok(Sealed {
            size_bytes: receiving.size_bytes(),
            sha256,
            identity: self.staging.version.to_string(),
        })
    }

    /// Objects have none of their own: the ledger keeps them.
    async fn set_attributes(&mut self, _attributes: Attributes) -> Result<()> {
        Ok(())
    }
}
