//! Tables of a `PostgreSQL` server.

mod encode;
mod fault;
mod kept;
mod schema;
mod session;
mod undo;
mod work;

use async_trait::async_trait;
use qm_core::config::Table;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::ports::access::Secret;
use qm_core::ports::connector::{Fence, Finding};
use qm_core::ports::findings::Findings;
use qm_core::{Error, Kind, Result};
use qm_rows::{Batch, Cell, Row};

use crate::engine::{Engine, Loading, Refusal};
use crate::sql::differences::{FoundTable, no_table};
use crate::sql::layout::Layout;
use crate::sql::loads;
use fault::Sql;
use kept::Kept;
use session::Session;
use work::Work;

/// A table of a server.
pub(crate) struct Postgres {
    url: Secret,
    table: Table<()>,
}

impl Postgres {
    pub(crate) fn new(url: Secret, table: Table<()>) -> Result<Self> {
        // A connection string that is none is told before the first load.
        qm_postgres::Server::new(&url, "the table")?;
        Ok(Self { url, table })
    }

    async fn find_loaded(&self, delivery: &Delivery) -> Sql<Option<Counts>> {
        let session = Session::open(&self.url, Some(delivery)).await?;
        session.end_others(delivery).await?;
        let place = schema::place(&session.client, &self.table.table).await?;
        let name = place.beside(loads::NAME);
        if !session.has_table(&name).await? {
            return Ok(None);
        }
        if let Some(load) = session.recorded(&place, delivery).await? {
            return Ok(Some(load.counts));
        }
        // An attempt whose answer was lost may be about to commit: whoever writes the same row waits for
        // it.
        let wait = format!(
            "BEGIN; INSERT INTO {name} (delivery, destination, table_name, source, arrival, mode, {}, is_kept)
             VALUES ('{}', '', '', '', 0, '', 0, 0, 0, 0, 0, 0, false) ON CONFLICT (delivery) DO NOTHING; ROLLBACK",
            loads::COUNTS,
            delivery.id
        );
        session.client.batch_execute(&wait).await?;
        let load = session.recorded(&place, delivery).await?;
        Ok(load.map(|load| load.counts))
    }

    async fn find_differences(&self) -> Sql<Vec<String>> {
        let session = Session::open(&self.url, None).await?;
        let place = schema::place(&session.client, &self.table.table).await?;
        let found = schema::find(&session.client, &place).await?;
        let layout = Layout::declared(&self.table).transpose()?;
        let mut said = layout.as_ref().map(schema::unfit_names).unwrap_or_default();
        match (found, layout) {
            (None, _) if self.table.create => {}
            (None, _) => said.push(no_table(&self.table.table).public_message().to_owned()),
            (Some(_), None) => {}
            (Some(found), Some(layout)) => said.extend(found.table.differences(&layout)),
        }
        Ok(said)
    }

    async fn try_out(&self, findings: &mut Findings) -> Sql<()> {
        findings.begin("the database");
        let session = Session::open(&self.url, None).await?;
        findings.found("it lets this server in".to_owned());
        findings.begin("the table of loads");
        let place = schema::place(&session.client, &self.table.table).await?;
        let name = place.beside(loads::NAME);
        if session.has_table(&name).await? {
            findings.found(format!("`{name}` is there"));
        } else {
            let [table, _] = loads::create(&name);
            let make = format!("BEGIN; {table}; ROLLBACK");
            session.client.batch_execute(&make).await?;
            findings.found(format!("`{name}` is made by the first load"));
        }
        findings.begin("the table");
        let differences = self.find_differences().await?;
        if !differences.is_empty() {
            return Err(Error::new(Kind::Invalid, differences.join("; ")).into());
        }
        findings.found("it is as the declaration says, or made by the first load".to_owned());
        Ok(())
    }
}

#[async_trait]
impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    async fn loaded(&self, delivery: &Delivery) -> Result<Option<Counts>> {
        let found = self.find_loaded(delivery).await;
        found.map_err(|fault| fault.into_error("ask what is loaded"))
    }

    async fn begin(&self, delivery: &Delivery, columns: &[String]) -> Result<Box<dyn Loading>> {
        let layout = if columns.is_empty() {
            None
        } else {
            Some(Layout::new(&self.table, columns)?)
        };
        let begun = work::begin(&self.url, &self.table, layout.clone(), delivery).await;
        let (work, found) = begun.map_err(|fault| fault.into_error("begin the load"))?;
        Ok(Box::new(PostgresLoading {
            checks: layout.map_or_else(Vec::new, |layout| checks(&layout, &found, work.kept())),
            work,
        }))
    }

    async fn undo(&self, delivery: &Delivery) -> Result<String> {
        let undone = undo::undo(&self.url, &self.table.table, delivery).await;
        undone.map_err(|fault| fault.into_error("take the load back"))
    }

    async fn differences(&self) -> Result<Vec<String>> {
        let found = self.find_differences().await;
        found.map_err(|fault| fault.into_error("look at the table"))
    }

    async fn test(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let tried = self.try_out(&mut findings).await;
        findings.ended(tried.map_err(|fault| fault.into_error("try the database")))
    }
}

/// A column that does not take every value of its declared type.
#[derive(Clone, Copy, Debug)]
struct Check {
    column: usize,
    kept: Kept,
    is_not_null: bool,
}

fn checks(layout: &Layout, found: &FoundTable, kept: &[Kept]) -> Vec<Check> {
    let cells = layout.columns.iter().zip(kept).take(layout.cells);
    cells
        .enumerate()
        .map(|(column, (written, kept))| Check {
            column,
            kept: *kept,
            is_not_null: found
                .column(&written.name)
                .is_some_and(|found| found.is_not_null),
        })
        .filter(|check| check.is_not_null || kept::is_narrow(check.kept))
        .collect()
}

/// A load under way.
struct PostgresLoading {
    checks: Vec<Check>,
    work: Work,
}

#[async_trait]
impl Loading for PostgresLoading {
    fn counts(&self) -> Counts {
        Counts {
            inserted: self.work.written,
            ..Counts::default()
        }
    }

    fn refusals(&self, rows: &Batch) -> Vec<Refusal> {
        let has_nul = rows.has_text_with('\0');
        if self.checks.is_empty() && !has_nul {
            return Vec::new();
        }
        let found = rows.rows().enumerate().filter_map(|(index, row)| {
            let (column, reason) = self.refusal(&row, has_nul)?;
            Some(Refusal {
                index,
                column,
                reason,
            })
        });
        found.collect()
    }

    async fn write(&mut self, mut rows: Batch, _fence: &dyn Fence) -> Result<Batch> {
        let written = self.work.write(&rows).await;
        written.map_err(|fault| fault.into_error("write rows"))?;
        rows.clear();
        Ok(rows)
    }

    async fn take_turn(&mut self) -> Result<()> {
        let taken = self.work.take_turn().await;
        taken.map_err(|fault| fault.into_error("finish the load"))
    }

    async fn finish(
        mut self: Box<Self>,
        read: u64,
        rejected: u64,
        fence: &dyn Fence,
    ) -> Result<Counts> {
        let settled = self.work.settle(read, rejected).await;
        let counts = settled.map_err(|fault| fault.into_error("finish the load"))?;
        fence.check().await?;
        let committed = self.work.session.client.batch_execute("COMMIT").await;
        committed.map_err(|error| fault::Fault::from(error).into_error("finish the load"))?;
        Ok(counts)
    }
}

impl PostgresLoading {
    fn refusal(&self, row: &Row<'_>, has_nul: bool) -> Option<(usize, String)> {
        if has_nul {
            let is_nul = |cell| matches!(cell, Cell::Text(text) if text.contains('\0'));
            if let Some(column) = row.cells().position(is_nul) {
                let reason = "a NUL character, which the database does not keep";
                return Some((column, reason.to_owned()));
            }
        }
        self.checks.iter().find_map(|check| {
            let cell = row.cell(check.column);
            let reason = if check.is_not_null && cell == Cell::Null {
                Some("the table's column must have a value".to_owned())
            } else {
                kept::refusal(cell, check.kept)
            };
            reason.map(|reason| (check.column, reason))
        })
    }
}
