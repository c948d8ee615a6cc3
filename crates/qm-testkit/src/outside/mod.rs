//! Fakes of the outside: a destination and a notifier whose behaviour a test scripts, content in
//! memory, and fences.

mod bucket;
mod content;
mod destination;
mod notifier;
pub mod postgres;

pub use bucket::{MemoryBucket, OneBucket};
pub use content::MemoryContent;
pub use destination::{Act, FakeDestination, Landed};
pub use notifier::RecordingNotifier;

use async_trait::async_trait;
use qm_core::ports::connector::Fence;
use qm_core::{Error, Kind, Result};

/// A fence that lets every effect through.
#[derive(Clone, Copy, Debug)]
pub struct OpenFence;

#[async_trait]
impl Fence for OpenFence {
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// A fence that finds that a newer version was there first.
#[derive(Clone, Copy, Debug)]
pub struct ClosedFence;

#[async_trait]
impl Fence for ClosedFence {
    async fn check(&self) -> Result<()> {
        Err(Error::new(Kind::Conflict, "a newer version was delivered"))
    }
}
