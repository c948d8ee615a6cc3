//! What a streaming upload asks of the store: one upload in parts under one key.

use async_trait::async_trait;
use std::sync::Arc;

use super::client::{Metadata, Part, PartBody, S3Client};
use qm_core::Result;

/// Where the parts of one file go.
#[async_trait]
pub(crate) trait PartSink: Send + Sync + 'static {
    /// The whole key.
    fn key(&self) -> &str;

    /// What the object will carry.
    fn metadata(&self) -> &Metadata;

    /// True if every part has a checksum.
    fn has_checksums(&self) -> bool;

    /// Begins an upload; its id.
    async fn begin(&self) -> Result<String>;

    /// Sends a part; what it was before is replaced.
    async fn send(&self, upload: &str, number: u16, body: PartBody) -> Result<()>;

    /// All parts in the order of their numbers; `None` if there is no such upload (any more).
    async fn parts(&self, upload: &str) -> Result<Option<Vec<Part>>>;

    /// Throws the upload away; `Ok` if there is none.
    async fn abort(&self, upload: &str) -> Result<()>;
}

/// A key of the S3 bucket.
pub(crate) struct KeySink {
    pub(crate) client: Arc<S3Client>,
    pub(crate) key: String,
    /// What the object will carry.
    pub(crate) metadata: Metadata,
}

#[async_trait]
impl PartSink for KeySink {
    fn key(&self) -> &str {
        &self.key
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn has_checksums(&self) -> bool {
        self.client.has_checksums()
    }

    async fn begin(&self) -> Result<String> {
        self.client
            .create_multipart(&self.key, self.metadata.clone())
            .await
    }

    async fn send(&self, upload: &str, number: u16, body: PartBody) -> Result<()> {
        self.client
            .upload_part(&self.key, upload, number, body)
            .await
            .map(|_| ())
    }

    async fn parts(&self, upload: &str) -> Result<Option<Vec<Part>>> {
        self.client.list_parts(&self.key, upload).await
    }

    async fn abort(&self, upload: &str) -> Result<()> {
        self.client.abort(&self.key, upload).await
    }
}
