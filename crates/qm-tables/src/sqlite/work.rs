//! A load on the thread that owns its connection: one transaction, with the load's own row in it.
//!
//! Rows go straight into the table where nothing there can be in their way. Otherwise they are staged
//! in a file beside the database, which has no name any more by the time the first row is in it, and
//! merged at the end.

use qm_core::config::LoadMode;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_rows::{Batch, Cell};
use rusqlite::{Connection, Statement, params};
use std::path::Path;

use super::fault::Sql;
use super::pieces::Pieces;
use super::{connection, schema};
use crate::sql::differences::{FoundTable, differs, no_table};
use crate::sql::layout::Layout;
use crate::sql::merge::{Found, merge, upsert};
use crate::sql::{loads, quoted, text};
use crate::told::{self, Became};

/// Page cache of staged rows.
const STAGE_CACHE_KIB: i64 = 8 * 1024;

/// Where rows are staged, and the keys of those that go.
const STAGED: &str = "staged.rows";
const GONE: &str = "staged.gone";

/// Where rows are on their way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plan {
    /// Into the table; `is_keyed` where a later row of the file may have the key of an earlier.
    Direct { is_keyed: bool },
    /// Staged, then merged.
    Staged,
}

/// A load under way.
pub(super) struct Work {
    connection: Connection,
    table: String,
    layout: Layout,
    delivery: Delivery,
    plan: Plan,
    /// The column for the numbers of staged rows, if rows are told one by one.
    number: Option<String>,
    insert: String,
    written: u64,
    is_prepared: bool,
    text: String,
}

/// A load with rows begins: the table is there and fits, nothing later is in it.
pub(super) fn begin(
    file: &Path,
    table: &str,
    create: bool,
    layout: Layout,
    delivery: &Delivery,
) -> Sql<(Work, FoundTable)> {
    let connection = connection::open(file)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    prepare_loads(&connection)?;
    refuse_if_overtaken(&connection, table, &layout, delivery)?;
    let mut found = schema::find(&connection, table)?;
    if found.is_none() && create {
        schema::create(&connection, table, &layout)?;
        found = schema::find(&connection, table)?;
    }
    let Some(found) = found else {
        return Err(no_table(table).into());
    };
    let differences = found.differences(&layout);
    if !differences.is_empty() {
        return Err(differs(table, &differences).into());
    }
    let number = told::is_on().then(|| schema::number_column(&layout));
    // Only once all are staged it is known which of the rows with one key is the last.
    let plan = if layout.is_merged() && (number.is_some() || !schema::is_empty(&connection, table)?)
    {
        Plan::Staged
    } else {
        Plan::Direct {
            is_keyed: layout.is_merged(),
        }
    };
    if plan == Plan::Staged {
        connection.execute_batch("COMMIT")?;
        let columns = schema::staged_columns(&layout, &found, number.as_deref());
        stage(&connection, file, delivery, &layout, &columns)?;
    }
    let work = Work {
        insert: insert(table, &layout, plan, number.as_deref()),
        connection,
        table: table.to_owned(),
        layout,
        delivery: delivery.clone(),
        plan,
        number,
        written: 0,
        is_prepared: false,
        text: String::new(),
    };
    Ok((work, found))
}

/// A load without rows: only the fact is recorded.
pub(super) fn begin_empty(file: &Path) -> Sql<Connection> {
    let connection = connection::open(file)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    prepare_loads(&connection)?;
    Ok(connection)
}

fn prepare_loads(connection: &Connection) -> Sql<()> {
    for statement in loads::create(loads::NAME) {
        connection.execute_batch(&statement)?;
    }
    Ok(())
}

fn refuse_if_overtaken(
    connection: &Connection,
    table: &str,
    layout: &Layout,
    delivery: &Delivery,
) -> Sql<()> {
    let count: i64 = match layout.mode {
        LoadMode::Append => return Ok(()),
        LoadMode::Replace => connection.query_row(
            &loads::is_newer(loads::NAME),
            params![table, delivery.arrival.0],
            |row| row.get(0),
        )?,
        LoadMode::Upsert => connection.query_row(
            &loads::is_overtaken(loads::NAME),
            params![table, delivery.arrival.0, delivery.source.to_string()],
            |row| row.get(0),
        )?,
    };
    if count > 0 {
        return Err(loads::overtaken(delivery).into());
    }
    Ok(())
}

/// The file is unlinked before it holds anything: nothing of it outlives the load.
fn stage(
    connection: &Connection,
    file: &Path,
    delivery: &Delivery,
    layout: &Layout,
    columns: &str,
) -> Sql<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!("-staged-{}", delivery.id));
    let staged = Path::new(&name);
    // What a crash in the next few lines left behind.
    drop(std::fs::remove_file(staged));
    connection.execute("ATTACH ?1 AS staged", [staged.to_string_lossy()])?;
    let opened = connection.execute_batch(&format!(
        "PRAGMA staged.journal_mode = OFF;
         PRAGMA staged.synchronous = OFF;
         PRAGMA staged.locking_mode = EXCLUSIVE;
         PRAGMA staged.cache_size = -{STAGE_CACHE_KIB};
         CREATE TABLE {STAGED} ({columns}, PRIMARY KEY ({})) WITHOUT ROWID;",
        layout.key_names()
    ));
    drop(std::fs::remove_file(staged));
    Ok(opened?)
}

fn insert(table: &str, layout: &Layout, plan: Plan, number: Option<&str>) -> String {
    let names = layout.names();
    let values = layout.list(|index, _| format!("?{}", index + 1));
    let table = quoted(table);
    match plan {
        Plan::Staged => {
            let place = place_of_number(layout);
            let number = number.map(|name| (format!(", {name}"), format!(", ?{place}")));
            let (name, value) = number.unwrap_or_default();
            format!("INSERT OR REPLACE INTO {STAGED} ({names}{name}) VALUES ({values}{value})")
        }
        Plan::Direct { is_keyed: false } => {
            format!("INSERT INTO main.{table} ({names}) VALUES ({values})")
        }
        Plan::Direct { is_keyed: true } => {
            let assigned = layout.list(|_, name| format!("{name} = excluded.{name}"));
            format!(
                "INSERT INTO main.{table} ({names}) VALUES ({values}) \
                 ON CONFLICT ({}) DO UPDATE SET {assigned}",
                layout.key_names()
            )
        }
    }
}

/// Which parameter it is.
fn place_of_number(layout: &Layout) -> usize {
    layout.columns.len() + 1
}

impl Work {
    /// Writes rows.
    pub(super) fn write(&mut self, rows: &Batch) -> Sql<()> {
        self.prepare()?;
        let mut statement = self.connection.prepare_cached(&self.insert)?;
        if let Some(index) = self.layout.sequence {
            statement.raw_bind_parameter(index + 1, self.delivery.arrival.0)?;
        }
        if let Some(index) = self.layout.delivery {
            statement.raw_bind_parameter(index + 1, self.delivery.id.to_string())?;
        }
        let (tells, is_staged) = (self.number.is_some(), self.plan == Plan::Staged);
        for row in rows.rows() {
            for (index, cell) in row.cells().enumerate() {
                bind(&mut statement, index + 1, cell, &mut self.text)?;
            }
            if tells && is_staged {
                let number = i64::try_from(row.number).unwrap_or(i64::MAX);
                statement.raw_bind_parameter(place_of_number(&self.layout), number)?;
            }
            statement.raw_execute()?;
            if tells && !is_staged {
                told::row(self.delivery.id, row.number, Became::Inserted);
            }
        }
        self.written += rows.len() as u64;
        Ok(())
    }

    /// Before the first row: only a file with rows replaces any.
    fn prepare(&mut self) -> Sql<()> {
        if self.is_prepared {
            return Ok(());
        }
        self.is_prepared = true;
        if self.plan != Plan::Staged {
            connection::let_rows_refer(&self.connection)?;
        }
        match self.plan {
            Plan::Staged => {
                // A deferred transaction writes nothing but the staged rows.
                self.connection.execute_batch("BEGIN DEFERRED")?;
            }
            Plan::Direct { .. } if self.layout.mode == LoadMode::Replace => {
                self.keep()?;
                remove_all(&self.connection, &self.table)?;
            }
            Plan::Direct { .. } => {}
        }
        Ok(())
    }

    /// What `load undo` puts back.
    fn keep(&self) -> Sql<()> {
        if !self.layout.undo {
            return Ok(());
        }
        let (table, kept) = (quoted(&self.table), quoted(&super::undo::kept(&self.table)));
        self.connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS main.{kept};
             CREATE TABLE main.{kept} AS SELECT * FROM main.{table};"
        ))?;
        self.connection
            .execute(&loads::forget_kept(loads::NAME), [&self.table])?;
        Ok(())
    }

    /// All but the commit: what is staged is merged, and the load recorded.
    pub(super) fn settle(mut self, read: u64, rejected: u64) -> Sql<(Connection, Counts)> {
        let mut counts = match self.plan {
            Plan::Direct { is_keyed: false } => Counts {
                inserted: self.written,
                ..Counts::default()
            },
            Plan::Direct { is_keyed: true } => {
                let rows = self.count(&format!("main.{}", quoted(&self.table)))?;
                // Nothing was written and the table was not touched.
                let inserted = if self.written == 0 { 0 } else { rows };
                Counts {
                    inserted,
                    superseded: self.written - inserted,
                    ..Counts::default()
                }
            }
            Plan::Staged => self.merge()?,
        };
        counts.read = read;
        counts.rejected = rejected;
        let is_kept = self.layout.undo && self.layout.mode != LoadMode::Upsert && self.written > 0;
        record(
            &self.connection,
            &self.table,
            self.layout.mode,
            &self.delivery,
            &counts,
            is_kept,
        )?;
        Ok((self.connection, counts))
    }

    fn merge(&mut self) -> Sql<Counts> {
        if self.is_prepared {
            self.connection.execute_batch("COMMIT")?;
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let connection = &self.connection;
        // Others may have loaded meanwhile, by another process.
        refuse_if_overtaken(connection, &self.table, &self.layout, &self.delivery)?;
        let staged = self.count(STAGED)?;
        if staged == 0 {
            return Ok(Counts::default());
        }
        if self.layout.mode == LoadMode::Replace {
            self.keep()?;
        }
        let table = format!("main.{}", quoted(&self.table));
        let arrival = self.delivery.arrival.0;
        let number = self.number.as_deref();
        let statements = merge(&self.layout, &table, STAGED, arrival, number);
        let of = |row: &rusqlite::Row<'_>, index| {
            let count: rusqlite::Result<i64> = row.get(index);
            count.map(|count| u64::try_from(count).unwrap_or_default())
        };
        let found = connection.query_row(&statements.count, [], |row| {
            Ok(Found {
                staged,
                there: of(row, 0)?,
                later: of(row, 1)?,
                changed: of(row, 2)?,
            })
        })?;
        connection::let_rows_refer(connection)?;
        if self.layout.mode == LoadMode::Replace {
            self.remove_missing(&table, &statements.missing)?;
        }
        if let Some(changes) = &statements.told {
            self.tell(changes)?;
        }
        if found.updates(&self.layout) || found.inserted() > 0 {
            // In an upsert the table goes by its name alone.
            let table = quoted(&self.table);
            let staged = Pieces::by(connection, STAGED, &self.key_names());
            staged.each(&[], |piece| {
                upsert(&self.layout, &table, STAGED, arrival, piece)
            })?;
        }
        Ok(Counts {
            inserted: found.inserted(),
            updated: found.changed,
            unchanged: found.unchanged(),
            superseded: self.written - staged + found.later,
            ..Counts::default()
        })
    }

    /// What the merge is about to write.
    fn tell(&self, changes: &str) -> Sql<()> {
        let mut statement = self.connection.prepare(changes)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let number: i64 = row.get(0)?;
            let number = u64::try_from(number).unwrap_or_default();
            told::row(self.delivery.id, number, Became::merged(row.get(1)?));
        }
        Ok(())
    }

    /// What is there and not staged; their keys are staged first.
    fn remove_missing(&self, table: &str, missing: &str) -> Sql<()> {
        let keys = self.key_names();
        let connection = &self.connection;
        connection.execute_batch(&format!("CREATE TABLE {GONE} AS {missing}"))?;
        // A row without a key is none of the file's, and equal to nothing that could be staged.
        for key in &keys {
            connection.execute(&format!("DELETE FROM {table} WHERE {key} IS NULL"), [])?;
        }
        let keys = keys.join(", ");
        let gone = Pieces::by(connection, GONE, &["rowid".to_owned()]);
        gone.each(&[], |piece| {
            format!(
                "DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {GONE} WHERE {piece})"
            )
        })?;
        Ok(())
    }

    fn key_names(&self) -> Vec<String> {
        let names = self.layout.key.iter();
        let name = |index: &usize| quoted(&self.layout.columns[*index].name);
        names.map(name).collect()
    }

    fn count(&self, table: &str) -> Sql<u64> {
        let count = format!("SELECT count(*) FROM {table}");
        let rows: i64 = self.connection.query_row(&count, [], |row| row.get(0))?;
        Ok(u64::try_from(rows).unwrap_or_default())
    }
}

/// Without anything that has to know of each row, `SQLite` gives the table's pages up as they are.
pub(super) fn remove_all(connection: &Connection, table: &str) -> Sql<u64> {
    let name = format!("main.{}", quoted(table));
    let is_told: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema
             WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
                OR type = 'table' AND sql LIKE '%REFERENCES%')",
        [table],
        |row| row.get(0),
    )?;
    if !is_told {
        let gone = connection.execute(&format!("DELETE FROM {name}"), [])?;
        return Ok(gone as u64);
    }
    Pieces::of(connection, table)?.each(&[], |piece| format!("DELETE FROM {name} WHERE {piece}"))
}

/// The load's own row, in its transaction.
pub(super) fn record(
    connection: &Connection,
    table: &str,
    mode: LoadMode,
    delivery: &Delivery,
    counts: &Counts,
    is_kept: bool,
) -> Sql<()> {
    let [read, inserted, updated, unchanged, rejected, superseded] = loads::stored(counts);
    let recorded = connection.execute(
        &loads::insert(loads::NAME),
        params![
            delivery.id.to_string(),
            delivery.destination.as_str(),
            table,
            delivery.source.to_string(),
            delivery.arrival.0,
            loads::mode(mode),
            read,
            inserted,
            updated,
            unchanged,
            rejected,
            superseded,
            is_kept,
        ],
    )?;
    if recorded == 0 {
        return Err(loads::loaded_already(delivery).into());
    }
    Ok(())
}

fn bind(
    statement: &mut Statement<'_>,
    index: usize,
    cell: Cell<'_>,
    buffer: &mut String,
) -> rusqlite::Result<()> {
    match cell {
        Cell::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
        Cell::Text(text) => statement.raw_bind_parameter(index, text),
        Cell::Integer(value) => statement.raw_bind_parameter(index, value),
        Cell::Boolean(value) => statement.raw_bind_parameter(index, value),
        Cell::Decimal(_) | Cell::Date(_) | Cell::Timestamp(_) => {
            buffer.clear();
            text::write_cell(cell, buffer);
            statement.raw_bind_parameter(index, buffer.as_str())
        }
    }
}
