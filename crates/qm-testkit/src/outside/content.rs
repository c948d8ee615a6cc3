//! Content in memory.

use async_trait::async_trait;
use bytes::Bytes;
use qm_core::Result;
use qm_core::ports::bucket::Content;
use qm_core::ports::encryption::Envelope;

/// Bytes in memory.
#[derive(Clone, Debug)]
pub struct MemoryContent(Bytes);

impl MemoryContent {
    /// Holds them.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

#[async_trait]
impl Content for MemoryContent {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let size = self.0.len();
        let begin = usize::try_from(offset).unwrap_or(size).min(size);
        let end = begin.saturating_add(length as usize).min(size);
        Ok(self.0.slice(begin..end))
    }
}
