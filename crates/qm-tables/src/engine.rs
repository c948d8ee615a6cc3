//! What a database must be able to do to be loaded.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::connector::{Fence, Finding};
use qm_rows::Batch;

/// A table of one database.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// As people call it.
    fn name(&self) -> &'static str;

    /// What became of the delivery's rows, if it is loaded already.
    async fn loaded(&self, delivery: &Delivery) -> Result<Option<Counts>>;

    /// Begins a load, or goes on with one that broke off. `columns` are the names of the cells of its
    /// rows, in their order.
    async fn begin(&self, delivery: &Delivery, columns: &[String]) -> Result<Box<dyn Loading>>;

    /// Takes back what a delivery loaded; says how many rows went and came back.
    async fn undo(&self, delivery: &Delivery) -> Result<String>;

    /// Tries all that a load needs and leaves nothing behind.
    async fn test(&self) -> Vec<Finding>;
}

/// A load under way. Dropped, it has had no effect that the next attempt does not know of.
#[async_trait]
pub(crate) trait Loading: Send {
    /// Rows up to this number are done by an earlier attempt: they are read and checked again, but
    /// not written.
    fn done_rows(&self) -> u64;

    /// So far; `read` and `rejected` are the reader's.
    fn counts(&self) -> Counts;

    /// Takes rows, in the file's order. `fence` is asked before anything becomes visible that
    /// cannot be taken back.
    async fn write(&mut self, rows: &Batch, fence: &dyn Fence) -> Result<()>;

    /// All rows are written: the load becomes visible, if it was not yet, together with the fact
    /// that it is done. `read` and `rejected` are the reader's counts.
    async fn finish(self: Box<Self>, read: u64, rejected: u64, fence: &dyn Fence)
    -> Result<Counts>;
}
