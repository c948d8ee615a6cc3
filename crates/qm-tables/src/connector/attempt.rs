//! One attempt: bytes in, rows out, bad ones aside.

use aws_lc_rs::digest::{Context, SHA256};
use qm_core::config::MaxRejected;
use qm_core::load::Counts;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Fence, Shipment};
use qm_core::{Error, Kind, Result, Retry};
use qm_rows::{Batch, Finish, Output, Reject, Rows, RowsFile, is_workbook};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::TableConnector;
use super::rejects::RejectsFile;
use crate::engine::{Loading, Refusal};
use crate::sql::text::write_cell;

/// Small enough that making rows of it does not hold up anybody else.
const PIECE_BYTES: u32 = 256 * 1024;

/// How many workbooks the process loads at a time, into whatever tables: each is held in memory.
static WORKBOOKS: Semaphore = Semaphore::const_new(4);
/// Whoever waits for that says from time to time that it has not come to a stop.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// What an attempt works with.
pub(super) struct Attempt<'a> {
    pub(super) connector: &'a TableConnector,
    pub(super) shipment: &'a Shipment<'a>,
    pub(super) content: &'a dyn Content,
    pub(super) fence: &'a dyn Fence,
}

/// How an attempt ends that loads nothing, or may have.
pub(super) enum Ended {
    /// Nothing was loaded.
    Failed(Error),
    /// Nothing was loaded, and nothing is as long as the file is what it is.
    Rejected(Error),
    /// The end of the load failed.
    Unfinished(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether rows are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pass {
    /// Only whether there are too many rejects.
    Look,
    Write,
}

/// Where an attempt stands.
#[derive(Default)]
struct State {
    loading: Option<Box<dyn Loading>>,
    rejects: Option<RejectsFile>,
    read: u64,
    rejected: u64,
}

impl Attempt<'_> {
    pub(super) async fn run(&self) -> Result<Counts, Ended> {
        let mut state = State {
            rejects: self.connector.rejects_file(self.shipment.delivery)?,
            ..State::default()
        };
        let ended = self.load(&mut state).await;
        if let Some(mut rejects) = state.rejects {
            rejects.discard().await;
        }
        ended
    }

    async fn load(&self, state: &mut State) -> Result<Counts, Ended> {
        self.passes(state).await?;
        if let Some(rejects) = state.rejects.take()
            && state.rejected > 0
        {
            rejects.publish().await?;
        }
        let mut loading = match state.loading.take() {
            Some(loading) => loading,
            None => self.begin(&[]).await?,
        };
        let turn = self.waiting(loading.take_turn()).await;
        turn.map_err(Ended::Unfinished)?;
        let finished = loading.finish(state.read, state.rejected, self.fence);
        finished.await.map_err(Ended::Unfinished)
    }

    async fn begin(&self, columns: &[String]) -> Result<Box<dyn Loading>> {
        let begun = self.connector.engine.begin(self.shipment.delivery, columns);
        self.waiting(begun).await
    }

    /// Work that mostly is waiting for others.
    async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let waits = |is_waiting| {
            if let Some(progress) = self.shipment.progress {
                progress.waits(is_waiting);
            }
        };
        waits(true);
        let done = work.await;
        waits(false);
        done
    }

    /// Reads the file, twice if nothing may be written before all of it is known.
    async fn passes(&self, state: &mut State) -> Result<(), Ended> {
        let rows = &self.connector.table.rows;
        let name = self.shipment.facts.path.key.file_name();
        // Before anything is in hand that another load waits for. It is never closed.
        let _held = if is_workbook(rows, name) {
            self.waiting(self.turn()).await
        } else {
            None
        };
        if rows.max_rejected.is_some() && !self.connector.engine.is_atomic() {
            self.pass(state, Pass::Look).await?;
        }
        self.pass(state, Pass::Write).await
    }

    async fn turn(&self) -> Option<SemaphorePermit<'static>> {
        let turn = WORKBOOKS.acquire();
        tokio::pin!(turn);
        loop {
            if let Ok(turn) = tokio::time::timeout(SIGN_OF_LIFE, &mut turn).await {
                return turn.ok();
            }
            if let Some(progress) = self.shipment.progress {
                progress.rows(Counts::default());
            }
        }
    }

    /// Reads the file to its end.
    async fn pass(&self, state: &mut State, pass: Pass) -> Result<(), Ended> {
        let declaration = &self.connector.table.rows;
        let file = RowsFile {
            name: self.shipment.facts.path.key.file_name(),
            facts: Some(self.shipment.facts),
        };
        let mut rows = Rows::new(declaration, &self.connector.table.key, &file)?;
        let mut output = Output::default();
        let mut refused = 0;
        let read = self
            .read(state, pass, &mut rows, &mut output, &mut refused)
            .await;
        if let Err(Ended::Rejected(error)) = read {
            // What is out is true; nothing of it is loaded.
            return Err(self
                .rejected(state, &rows, refused, &output.rejects, error)
                .await?);
        }
        read?;
        if is_too_many(
            declaration.max_rejected,
            rows.rejected() + refused,
            rows.read(),
        ) {
            let error = Error::new(Kind::Refused, "too many rows of the file are rejected");
            return Err(self.rejected(state, &rows, refused, &[], error).await?);
        }
        (state.read, state.rejected) = (rows.read(), rows.rejected() + refused);
        Ok(())
    }

    async fn read(
        &self,
        state: &mut State,
        pass: Pass,
        rows: &mut Rows,
        output: &mut Output,
        refused: &mut u64,
    ) -> Result<(), Ended> {
        let mut digest = Context::new(&SHA256);
        let mut offset = 0;
        loop {
            let bytes = self.content.read(offset, PIECE_BYTES).await?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            if let Some(pace) = self.shipment.pace
                && pass == Pass::Write
            {
                pace.take(bytes.len() as u64).await;
            }
            let mut piece = &bytes[..];
            qm_threads::in_place(async { digest.update(piece) }).await;
            while !piece.is_empty() {
                let pushed = qm_threads::in_place(async { rows.push(piece, output) }).await;
                let taken = pushed.map_err(of_file)?;
                piece = piece.get(taken..).unwrap_or_default();
                if output.is_full() {
                    self.hand_over(state, pass, rows, output, refused).await?;
                }
            }
        }
        let version = &self.shipment.delivery.version;
        if offset != version.size_bytes || digest.finish().as_ref() != version.sha256.0 {
            return Err(Error::new(
                // Not the table's fault: its breaker must not count it.
                Kind::Bug,
                "the stored bytes are not those that were received; nothing was loaded",
            )
            .retry(Retry::Later)
            .with("size_bytes", version.size_bytes)
            .with("read_bytes", offset)
            .into());
        }
        loop {
            let finished = qm_threads::in_place(async { rows.finish(output) }).await;
            let finish = finished.map_err(of_file)?;
            self.hand_over(state, pass, rows, output, refused).await?;
            match finish {
                Finish::More => {}
                Finish::Done => return Ok(()),
            }
        }
    }

    /// What was read goes to the table, and what is bad of it to the rejects.
    async fn hand_over(
        &self,
        state: &mut State,
        pass: Pass,
        rows: &Rows,
        output: &mut Output,
        refused: &mut u64,
    ) -> Result<(), Ended> {
        let columns = rows.columns().unwrap_or_default();
        if state.loading.is_none() && !output.batch.is_empty() {
            state.loading = Some(self.begin(columns).await?);
        }
        let mut rejects = std::mem::take(&mut output.rejects);
        let mut batch = std::mem::take(&mut output.batch);
        if let Some(loading) = &mut state.loading {
            let refusals = loading.refusals(&batch);
            if !refusals.is_empty() {
                *refused += refusals.len() as u64;
                rejects.extend(
                    refusals
                        .iter()
                        .filter_map(|refusal| reject(&batch, columns, refusal)),
                );
                rejects.sort_by_key(|reject| reject.row);
                let mut next = refusals.iter().map(|refusal| refusal.index).peekable();
                batch.retain(|index, _| next.next_if_eq(&index).is_none());
            }
            let done = loading.done_rows();
            if done > 0 {
                batch.retain(|_, row| row.number > done);
            }
            if pass == Pass::Write && !batch.is_empty() {
                batch = loading.write(batch, self.fence).await?;
            }
        }
        // In a second pass they are written already.
        if (pass == Pass::Look || self.connector.engine.is_atomic() || self.is_only_pass())
            && let Some(file) = &mut state.rejects
        {
            file.write(&rejects).await?;
        }
        let rejected = rows.rejected() + *refused;
        if pass == Pass::Write
            && let Some(progress) = self.shipment.progress
        {
            let counts = state.loading.as_ref().map(|loading| loading.counts());
            progress.rows(Counts {
                read: rows.read(),
                rejected,
                ..counts.unwrap_or_default()
            });
        }
        batch.clear();
        output.batch = batch;
        output.clear();
        match self.connector.table.rows.max_rejected {
            // Certain before the end.
            Some(MaxRejected::Rows(most)) if rejected > most => Err(Ended::Rejected(Error::new(
                Kind::Refused,
                "too many rows of the file are rejected",
            ))),
            Some(MaxRejected::Rows(_) | MaxRejected::Percent(_)) | None => Ok(()),
        }
    }

    fn is_only_pass(&self) -> bool {
        self.connector.table.rows.max_rejected.is_none()
    }

    /// The file is refused; what was found of its bad rows is published.
    async fn rejected(
        &self,
        state: &mut State,
        rows: &Rows,
        refused: u64,
        rejects: &[Reject],
        error: Error,
    ) -> Result<Ended, Ended> {
        state.loading = None;
        let rejected = rows.rejected() + refused;
        let error = error.with("read", rows.read()).with("rejected", rejected);
        let Some(mut file) = state.rejects.take() else {
            return Ok(Ended::Rejected(error));
        };
        file.write(rejects).await?;
        if rejected == 0 {
            file.discard().await;
            return Ok(Ended::Rejected(error));
        }
        let path = file.publish().await?;
        Ok(Ended::Rejected(error.with("rejects", path)))
    }
}

/// A file that is no rows at all is not looked at again.
fn of_file(error: Error) -> Ended {
    match error.kind() {
        Kind::Refused => Ended::Rejected(error),
        Kind::AlreadyExists
        | Kind::Bug
        | Kind::Conflict
        | Kind::Invalid
        | Kind::Limit
        | Kind::NotFound
        | Kind::Timeout
        | Kind::Unauthenticated
        | Kind::Unavailable
        | Kind::Unsupported => Ended::Failed(error),
    }
}

fn is_too_many(most: Option<MaxRejected>, rejected: u64, read: u64) -> bool {
    match most {
        None => false,
        Some(MaxRejected::Rows(most)) => rejected > most,
        Some(MaxRejected::Percent(most)) => {
            u128::from(rejected) * 100 > u128::from(most) * u128::from(read)
        }
    }
}

/// A row that the table cannot take, as one that the declaration does not.
fn reject(batch: &Batch, columns: &[String], refusal: &Refusal) -> Option<Reject> {
    let row = batch.rows().nth(refusal.index)?;
    let cells = columns.iter().zip(row.cells()).map(|(name, cell)| {
        let mut text = String::new();
        write_cell(cell, &mut text);
        let is_there = cell != qm_rows::Cell::Null;
        (name.clone(), is_there.then_some(text))
    });
    Some(Reject {
        row: row.number,
        line: row.line,
        column: columns.get(refusal.column).cloned(),
        reason: refusal.reason.clone(),
        cells: cells.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(most: Option<MaxRejected>, rejected: u64, read: u64, expect: bool) {
        assert_eq!(is_too_many(most, rejected, read), expect);
    }

    #[test]
    fn how_many_are_too_many() {
        check(None, 9, 9, false);
        check(Some(MaxRejected::Rows(2)), 2, 2, false);
        check(Some(MaxRejected::Rows(2)), 3, 100, true);
        check(Some(MaxRejected::Percent(10)), 1, 10, false);
        check(Some(MaxRejected::Percent(10)), 2, 19, true);
        check(Some(MaxRejected::Percent(0)), 0, 0, false);
        check(Some(MaxRejected::Percent(0)), 1, 1_000_000, true);
    }
}
