//! Tables in a file of `SQLite`. One load writes at a time; those that read are not disturbed.

mod connection;
mod fault;
mod pieces;
mod schema;
mod undo;
mod work;

use async_trait::async_trait;
use qm_core::config::Table;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::connector::{Fence, Finding};
use qm_core::{Error, Kind, Result};
use qm_rows::{Batch, Cell};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use crate::engine::{Engine, Loading, Refusal};
use crate::sql::differences::{FoundTable, no_table};
use crate::sql::layout::Layout;
use crate::sql::text;
use fault::Sql;
use qm_core::ports::findings::Findings;
use work::Work;

/// A table in a file.
pub(crate) struct Sqlite {
    file: PathBuf,
    table: Arc<Table<()>>,
}

impl Sqlite {
    pub(crate) fn new(file: PathBuf, table: Table<()>) -> Self {
        Self {
            file,
            table: Arc::new(table),
        }
    }

    /// On a thread that may block.
    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Path, &Table<()>) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        let (file, table) = (self.file.clone(), Arc::clone(&self.table));
        qm_threads::run(move || {
            work(&file, &table).map_err(|fault| fault.into_error(operation, &file))
        })
        .await
    }
}

#[async_trait]
impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    async fn loaded(&self, delivery: &Delivery) -> Result<Option<Counts>> {
        let delivery = delivery.clone();
        self.run("ask what is loaded", move |file, _| {
            let Some(connection) = connection::open_reader(file)? else {
                return Ok(None);
            };
            let recorded = undo::recorded(&connection, &delivery)?;
            Ok(recorded.map(|load| load.counts))
        })
        .await
    }

    async fn begin(&self, delivery: &Delivery, columns: &[String]) -> Result<Box<dyn Loading>> {
        let turn = connection::turns(&self.file).lock_owned().await;
        let delivery_of_work = delivery.clone();
        let begun = if columns.is_empty() {
            let opened = self
                .run("begin the load", |file, _| work::begin_empty(file))
                .await?;
            Begun {
                hand: Hand::Empty(Box::new(opened)),
                checks: Vec::new(),
            }
        } else {
            let layout = Layout::new(&self.table, columns)?;
            let begin = move |file: &Path, table: &Table<()>| {
                let name = &table.table;
                let of_checks = layout.clone();
                let (work, found) =
                    work::begin(file, name, table.create, layout, &delivery_of_work)?;
                Ok(Begun {
                    checks: checks(&of_checks, &found),
                    hand: Hand::Idle(Box::new(work)),
                })
            };
            self.run("begin the load", begin).await?
        };
        Ok(Box::new(SqliteLoading {
            begun,
            spare: None,
            counts: Counts::default(),
            file: self.file.clone(),
            table: Arc::clone(&self.table),
            delivery: delivery.clone(),
            turn,
        }))
    }

    async fn undo(&self, delivery: &Delivery) -> Result<String> {
        let _turn = connection::turns(&self.file).lock_owned().await;
        let delivery = delivery.clone();
        self.run("take the load back", move |file, _| {
            undo::undo(file, &delivery)
        })
        .await
    }

    async fn differences(&self) -> Result<Vec<String>> {
        self.run("look at the table", |file, table| {
            let found = match connection::open_reader(file)? {
                Some(connection) => schema::find(&connection, &table.table)?,
                None => None,
            };
            Ok(match (found, Layout::declared(table)) {
                (None, _) if table.create => Vec::new(),
                (None, _) => vec![no_table(&table.table).public_message().to_owned()],
                (Some(_), None) => Vec::new(),
                (Some(found), Some(layout)) => found.differences(&layout?),
            })
        })
        .await
    }

    async fn test(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let tried = self.try_out(&mut findings).await;
        findings.ended(tried)
    }
}

impl Sqlite {
    async fn try_out(&self, findings: &mut Findings) -> Result<()> {
        findings.begin("the database");
        if !self.file.exists() {
            let folder = self.file.parent().unwrap_or_else(|| Path::new("."));
            if !folder.is_dir() {
                return Err(
                    Error::new(Kind::NotFound, "the database's folder is not there")
                        .with("folder", folder.display()),
                );
            }
            findings.found("it is made by the first load".to_owned());
            return Ok(());
        }
        self.run("try the database", |file, _| {
            let connection = connection::open(file)?;
            connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            Ok(())
        })
        .await?;
        findings.found("it can be written".to_owned());
        findings.begin("the table");
        let differences = self.differences().await?;
        if !differences.is_empty() {
            return Err(Error::new(Kind::Invalid, differences.join("; ")));
        }
        findings.found("it is as the declaration says, or made by the first load".to_owned());
        Ok(())
    }
}

/// What a load begins with.
struct Begun {
    hand: Hand,
    checks: Vec<Check>,
}

/// Who has the connection.
enum Hand {
    Idle(Box<Work>),
    /// A batch is being written.
    Busy(JoinHandle<Result<(Box<Work>, Batch)>>),
    Empty(Box<Connection>),
    /// Lost with the failure that was told.
    Lost,
}

/// A column that does not take every value of its declared type.
#[derive(Clone, Copy, Debug)]
struct Check {
    column: usize,
    what: Narrow,
}

#[derive(Clone, Copy, Debug)]
enum Narrow {
    NotNull,
    /// Numbers are kept as the processor has them.
    Digits,
}

fn checks(layout: &Layout, found: &FoundTable) -> Vec<Check> {
    use qm_core::config::ColumnType::Decimal;
    use schema::Affinity::{Integer, Numeric, Real};
    let mut checks = Vec::new();
    for (column, written) in layout.columns.iter().take(layout.cells).enumerate() {
        let Some(found) = found.column(&written.name) else {
            continue;
        };
        if found.is_not_null {
            let what = Narrow::NotNull;
            checks.push(Check { column, what });
        }
        let affinity = schema::Affinity::of(&found.type_name);
        if written.kind == Decimal && matches!(affinity, Integer | Numeric | Real) {
            let what = Narrow::Digits;
            checks.push(Check { column, what });
        }
    }
    checks
}

impl Check {
    fn refusal(self, cell: Cell<'_>) -> Option<String> {
        match (self.what, cell) {
            (Narrow::NotNull, Cell::Null) => {
                Some("the table's column must have a value".to_owned())
            }
            (Narrow::Digits, Cell::Decimal(value))
                if text::digits(value) > schema::EXACT_DIGITS =>
            {
                Some(format!(
                    "the table's column keeps numbers of up to {} digits exactly",
                    schema::EXACT_DIGITS
                ))
            }
            (Narrow::NotNull | Narrow::Digits, _) => None,
        }
    }
}

/// A load under way.
struct SqliteLoading {
    begun: Begun,
    spare: Option<Batch>,
    counts: Counts,
    file: PathBuf,
    table: Arc<Table<()>>,
    delivery: Delivery,
    turn: OwnedMutexGuard<()>,
}

impl SqliteLoading {
    /// Waits for what is being written.
    async fn rest(&mut self) -> Result<Box<Work>> {
        match std::mem::replace(&mut self.begun.hand, Hand::Lost) {
            Hand::Idle(work) => Ok(work),
            Hand::Busy(task) => {
                let (work, mut batch) = task.await.unwrap_or_else(|lost| {
                    Err(Error::new(Kind::Bug, "the server made a mistake").source(lost))
                })?;
                self.counts.inserted += batch.len() as u64;
                batch.clear();
                self.spare = Some(batch);
                Ok(work)
            }
            Hand::Empty(_) | Hand::Lost => {
                Err(Error::new(Kind::Bug, "the load goes on although it failed"))
            }
        }
    }
}

#[async_trait]
impl Loading for SqliteLoading {
    fn counts(&self) -> Counts {
        self.counts
    }

    fn refusals(&self, rows: &Batch) -> Vec<Refusal> {
        if self.begun.checks.is_empty() {
            return Vec::new();
        }
        let refusal = |(index, row): (usize, qm_rows::Row<'_>)| {
            self.begun.checks.iter().find_map(|check| {
                let reason = check.refusal(row.cell(check.column))?;
                Some(Refusal {
                    index,
                    column: check.column,
                    reason,
                })
            })
        };
        rows.rows().enumerate().filter_map(refusal).collect()
    }

    async fn write(&mut self, rows: Batch, _fence: &dyn Fence) -> Result<Batch> {
        let mut work = self.rest().await?;
        let file = self.file.clone();
        self.begun.hand = Hand::Busy(tokio::spawn(qm_threads::run(move || {
            work.write(&rows)
                .map_err(|fault| fault.into_error("write rows", &file))?;
            Ok((work, rows))
        })));
        Ok(self.spare.take().unwrap_or_default())
    }

    async fn finish(
        mut self: Box<Self>,
        read: u64,
        rejected: u64,
        fence: &dyn Fence,
    ) -> Result<Counts> {
        let file = self.file.clone();
        let failed = move |fault: fault::Fault| fault.into_error("finish the load", &file);
        let (connection, counts) = match std::mem::replace(&mut self.begun.hand, Hand::Lost) {
            Hand::Empty(connection) => {
                let counts = Counts {
                    read,
                    rejected,
                    ..Counts::default()
                };
                let (table, delivery) = (Arc::clone(&self.table), self.delivery.clone());
                let failed = failed.clone();
                qm_threads::run(move || {
                    work::record(
                        &connection,
                        &table.table,
                        table.mode,
                        &delivery,
                        &counts,
                        false,
                    )
                    .map_err(failed)?;
                    Ok((*connection, counts))
                })
                .await?
            }
            hand @ (Hand::Idle(_) | Hand::Busy(_) | Hand::Lost) => {
                self.begun.hand = hand;
                let work = self.rest().await?;
                let failed = failed.clone();
                qm_threads::run(move || work.settle(read, rejected).map_err(failed)).await?
            }
        };
        fence.check().await?;
        let connection = qm_threads::run(move || {
            let committed = connection.execute_batch("COMMIT");
            committed.map_err(|error| failed(error.into()))?;
            Ok(connection)
        })
        .await?;
        // The rows are durable and show; that they move from the log into the database is nobody's to
        // wait for but the next load's. What stops here is done when the file is opened next.
        let turn = self.turn;
        tokio::spawn(async move {
            let moved = qm_threads::run(move || {
                drop(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
                Ok(())
            });
            drop((moved.await, turn));
        });
        Ok(counts)
    }
}
