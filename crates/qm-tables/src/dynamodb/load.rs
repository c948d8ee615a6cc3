//! A load under way: chunks of rows, each recorded before it is written and counted after.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::config::RowOrder;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::connector::Fence;
use qm_rows::{Batch, Row};
use std::sync::Arc;
use std::time::Duration;

use super::chunk::{Chunk, Fate};
use super::control::Control;
use super::item::{self, Item};
use super::keys::Keys;
use super::pressure::Pressure;
use super::records::{Record, Records};
use super::requests::{READ_AT_ONCE, Target, WRITTEN_AT_ONCE};
use super::turn::{Turn, Watch};
use crate::engine::{Loading, Refusal};
use crate::told;

/// A chunk of large rows ends here.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// A load under way.
pub(super) struct Load {
    pub(super) target: Target,
    pub(super) order: RowOrder,
    pub(super) control: Arc<Control>,
    pub(super) delivery: Delivery,
    pub(super) columns: Vec<String>,
    /// Positions of the key among the columns.
    pub(super) key: Vec<usize>,
    pub(super) turn: Arc<Turn>,
    pub(super) records: Records,
    /// Of the chunks before this one.
    pub(super) counts: Counts,
    pub(super) keys: Keys,
    pub(super) chunk: Chunk,
    /// Which chunk it is, from 0.
    pub(super) number: u64,
    /// So many rows it has, if an earlier attempt has cut it.
    pub(super) cut: Option<usize>,
    /// So many rows make a chunk otherwise.
    pub(super) chunk_rows: usize,
    pub(super) look_every: Duration,
    /// Of rows one by one.
    pub(super) puts: Pressure,
    /// Of batches.
    pub(super) batches: Pressure,
    /// That rows of this version go to the table is recorded.
    pub(super) is_marked: bool,
    /// Rows are told one by one.
    pub(super) tells: bool,
}

/// A load that was done before: another attempt was faster.
pub(super) struct Loaded(pub(super) Counts);

#[async_trait]
impl Loading for Load {
    fn counts(&self) -> Counts {
        self.counts
    }

    fn refusals(&self, rows: &Batch) -> Vec<Refusal> {
        let refused = |(index, row): (usize, Row<'_>)| {
            let (column, reason) = item::refusal(&self.columns, &self.key, &row)?;
            Some(Refusal {
                index,
                column,
                reason,
            })
        };
        rows.rows().enumerate().filter_map(refused).collect()
    }

    async fn write(&mut self, rows: Batch, fence: &dyn Fence) -> Result<Batch> {
        for row in rows.rows() {
            let mut keyed = item::item(&self.columns, &self.key, &row)?;
            if let Some(sequence) = &self.target.sequence {
                keyed.item.insert(sequence.name.clone(), sequence.value());
            }
            if self.chunk.rows.is_empty() {
                let record = self.records.get(self.number).await?;
                self.cut = record.map(|record| record.fates.len());
            }
            self.chunk.push(keyed);
            let is_full = match self.cut {
                Some(rows) => self.chunk.rows.len() >= rows,
                None => {
                    self.chunk.rows.len() >= self.chunk_rows || self.chunk.size_bytes >= CHUNK_BYTES
                }
            };
            if is_full {
                self.flush(fence).await?;
            }
        }
        Ok(rows)
    }

    async fn finish(
        mut self: Box<Self>,
        read: u64,
        rejected: u64,
        fence: &dyn Fence,
    ) -> Result<Counts> {
        self.flush(fence).await?;
        fence.check().await?;
        self.mark().await?;
        self.counts.read = read;
        self.counts.rejected = rejected;
        let (table, delivery) = (&self.target.name, &self.delivery);
        self.control.complete(table, delivery, &self.counts).await?;
        // The load is done all the same; the next one waits for a sign of life of this one.
        let _ = self.turn.end().await;
        Ok(self.counts)
    }
}

#[async_trait]
impl Loading for Loaded {
    fn counts(&self) -> Counts {
        self.0
    }

    fn refusals(&self, _rows: &Batch) -> Vec<Refusal> {
        Vec::new()
    }

    async fn write(&mut self, rows: Batch, _fence: &dyn Fence) -> Result<Batch> {
        Ok(rows)
    }

    async fn finish(
        self: Box<Self>,
        _read: u64,
        _rejected: u64,
        _fence: &dyn Fence,
    ) -> Result<Counts> {
        Ok(self.0)
    }
}

impl Load {
    /// Writes the chunk, unless an earlier attempt has.
    async fn flush(&mut self, fence: &dyn Fence) -> Result<()> {
        if self.chunk.rows.is_empty() {
            return Ok(());
        }
        let turn = Arc::clone(&self.turn);
        if let Some(record) = self.records.get(self.number).await? {
            self.counts = record.before;
            self.recall(&record.fates);
            // The next one was begun when this one was written.
            if self.records.get(self.number + 1).await?.is_none() {
                let mut watch = Watch::begin(&turn, fence, self.look_every).await?;
                self.put(&mut watch).await?;
            }
        } else {
            let mut watch = Watch::begin(&turn, fence, self.look_every).await?;
            match self.order {
                RowOrder::ByRow => self.look(&mut watch).await?,
                RowOrder::None => self.look_at_nothing(),
            }
            self.mark().await?;
            let record = Record {
                fates: self.chunk.rows.iter().map(|row| row.fate).collect(),
                before: self.counts,
            };
            self.records.make(self.number, &record, turn.number).await?;
            self.put(&mut watch).await?;
        }
        self.records.forget(self.number);
        self.number += 1;
        for row in &self.chunk.rows {
            row.fate.count(&mut self.counts);
            if let Some(is_unchanged) = row.fate.memory() {
                self.keys.note(&row.key, is_unchanged);
            }
        }
        self.chunk.clear();
        Ok(())
    }

    /// Finds out what will become of the chunk's rows.
    async fn look(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let (target, chunk) = (&self.target, &self.chunk);
        let distinct = chunk.distinct();
        let mut there: Vec<Option<Item>> = vec![None; chunk.rows.len()];
        self.batches
            .drive(
                distinct.chunks(READ_AT_ONCE).map(<[usize]>::to_vec),
                |rows| target.read(chunk, rows),
                |items| {
                    for (at, item) in items {
                        there[at] = Some(item);
                    }
                },
                watch,
            )
            .await?;
        for at in distinct {
            let row = &mut self.chunk.rows[at];
            let was_unchanged = self.keys.was_unchanged(&row.key);
            (row.fate, row.is_due) =
                self.target
                    .fate(&row.item, there[at].as_ref(), was_unchanged)?;
        }
        Ok(())
    }

    fn look_at_nothing(&mut self) {
        for at in self.chunk.distinct() {
            let row = &mut self.chunk.rows[at];
            row.is_due = true;
            row.fate = match self.keys.was_unchanged(&row.key) {
                Some(_) => Fate::Again,
                None => Fate::Written,
            };
        }
    }

    /// Takes what an earlier attempt found; what it wrote of that may be written again.
    fn recall(&mut self, fates: &[Fate]) {
        for (row, fate) in self.chunk.rows.iter_mut().zip(fates) {
            row.fate = *fate;
            row.is_due =
                fate.is_written() || (*fate == Fate::Unchanged && self.target.sequence.is_some());
        }
    }

    async fn put(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        self.turn.set_quiet(false);
        let (target, chunk) = (&self.target, &self.chunk);
        let due = chunk.due();
        let mut found = Vec::new();
        let result = match self.order {
            RowOrder::ByRow => {
                let put = |at| target.put(chunk, at);
                self.puts
                    .drive(due, put, |put| found.push(put), watch)
                    .await
            }
            RowOrder::None => {
                let batches = due.chunks(WRITTEN_AT_ONCE).map(<[usize]>::to_vec);
                let write = |rows| target.write(chunk, rows);
                self.batches.drive(batches, write, drop, watch).await
            }
        };
        // Whatever came of it, no request is left open.
        self.turn.set_quiet(true);
        for (at, found) in found {
            let row = &mut self.chunk.rows[at];
            row.fate = self.target.settled(row.fate, &row.item, &found);
        }
        // Of a chunk that is not written whole the next attempt tells.
        if self.tells && result.is_ok() {
            for row in &self.chunk.rows {
                if let Some(became) = row.fate.told() {
                    told::row(self.delivery.id, row.number, became);
                }
            }
        }
        result
    }

    async fn mark(&mut self) -> Result<()> {
        if !self.is_marked {
            let (table, delivery) = (&self.target.name, &self.delivery);
            self.control.mark_latest(table, delivery).await?;
            self.is_marked = true;
        }
        Ok(())
    }
}
