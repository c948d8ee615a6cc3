//! What a database must be able to do to be loaded.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::connector::{Fence, Finding};
use qm_rows::Batch;
use std::collections::BTreeMap;

/// A table of one database.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// As people call it.
    fn name(&self) -> &'static str;

    /// True if nothing of a load shows before it is finished. Where it does, a file that may be
    /// refused for its many rejects is read once before the first row is written.
    fn is_atomic(&self) -> bool {
        true
    }

    /// What became of the delivery's rows, if it is loaded already. When it says no, no earlier
    /// attempt can have its effect later.
    async fn loaded(&self, delivery: &Delivery) -> Result<Option<Counts>>;

    /// Begins a load, or goes on with one that broke off. `columns` are the names of the cells of its
    /// rows, in their order; none if no row will come, because the file has none that counts: then
    /// the table stays as it is and only the load is recorded.
    async fn begin(&self, delivery: &Delivery, columns: &[String]) -> Result<Box<dyn Loading>>;

    /// Takes back what a delivery loaded; says how many rows went and came back.
    async fn undo(&self, delivery: &Delivery) -> Result<String>;

    /// What is made for the table from now on belongs to: only what a cloud makes can say so.
    fn tag(&mut self, _tags: &BTreeMap<String, String>) {}

    /// A sentence for each difference between the declaration and the table that is there; none
    /// where the table is still to be made.
    async fn differences(&self) -> Result<Vec<String>>;

    /// Tries all that a load needs and leaves nothing behind.
    async fn test(&self) -> Vec<Finding>;
}

/// A load under way. Dropped, it has had no effect that the next attempt does not know of.
#[async_trait]
pub(crate) trait Loading: Send {
    /// Rows up to this number are done by an earlier attempt: they are read and checked again, but
    /// never given to [`Loading::write`].
    fn done_rows(&self) -> u64 {
        0
    }

    /// So far; `read` and `rejected` are the reader's.
    fn counts(&self) -> Counts;

    /// The rows that the table cannot take, in their order: they are rejected, the others loaded.
    fn refusals(&self, rows: &Batch) -> Vec<Refusal>;

    /// Takes rows, in the file's order, and gives a batch back whose memory can be used again. The
    /// rows may be written during the next call; what goes wrong with them is an error of that one
    /// or of `finish`. `fence` is asked before anything becomes visible that cannot be taken back.
    async fn write(&mut self, rows: Batch, fence: &dyn Fence) -> Result<Batch>;

    /// All rows are given. Waits until no other load of ours writes what this one is about to: what
    /// others take is none of its time.
    async fn take_turn(&mut self) -> Result<()> {
        Ok(())
    }

    /// It has its turn, all rows are written: the load becomes visible, if it was not yet, together with the fact
    /// that it is done. `read` and `rejected` are the reader's counts. After an error
    /// [`Engine::loaded`] is asked.
    async fn finish(self: Box<Self>, read: u64, rejected: u64, fence: &dyn Fence)
    -> Result<Counts>;
}

/// A row that a table cannot take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// Which row of the batch, from 0.
    pub(crate) index: usize,
    /// The column at fault, from 0.
    pub(crate) column: usize,
    /// What is wrong: lowercase, without full stop.
    pub(crate) reason: String,
}
