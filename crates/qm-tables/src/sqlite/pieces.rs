//! Work on all rows of a table, a piece at a time.
//!
//! Until a statement ends, `SQLite` keeps in memory which rows it is to remove, the pages that it would
//! have to put back, and what a trigger is to see. A statement a piece bounds all of it.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Statement, ToSql};

use super::fault::Sql;
use crate::sql::quoted;

/// Few enough to be nothing in memory, many enough that finding where a piece ends costs little.
const ROWS: u32 = 10_000;

/// The pieces of a table, in the order of columns by which it finds its rows.
pub(super) struct Pieces<'a> {
    connection: &'a Connection,
    /// As it is to be written.
    table: String,
    /// Likewise, with commas.
    columns: String,
    count: usize,
}

impl<'a> Pieces<'a> {
    /// Of a table with an index of just these columns, all as they are to be written.
    pub(super) fn by(connection: &'a Connection, table: &str, columns: &[String]) -> Self {
        Self {
            connection,
            table: table.to_owned(),
            columns: columns.join(", "),
            count: columns.len(),
        }
    }

    /// Of any table of the database.
    pub(super) fn of(connection: &'a Connection, table: &str) -> Sql<Self> {
        let columns = identity(connection, table)?;
        let table = format!("main.{}", quoted(table));
        Ok(Self::by(connection, &table, &columns))
    }

    /// Runs a statement on each; how many rows it changed. What makes it gets the condition that a row
    /// of the piece fulfils; `parameters` are the statement's own, the first ones.
    pub(super) fn each(
        &self,
        parameters: &[&dyn ToSql],
        make: impl Fn(&str) -> String,
    ) -> Sql<u64> {
        let mut changed = 0;
        let mut from: Option<Vec<Value>> = None;
        loop {
            let to = self.end(from.as_deref())?;
            let piece = make(&self.condition(parameters.len(), from.is_some(), to.is_some()));
            let mut statement = self.connection.prepare_cached(&piece)?;
            for (index, value) in parameters.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, value)?;
            }
            let bounds = from.iter().chain(&to).flatten();
            bind(&mut statement, parameters.len(), bounds)?;
            changed += statement.raw_execute()? as u64;
            if to.is_none() {
                return Ok(changed);
            }
            from = to;
        }
    }

    /// The last row of the piece behind `from`; `None` if what is left is no more than one.
    fn end(&self, from: Option<&[Value]>) -> Sql<Option<Vec<Value>>> {
        if self.count == 0 {
            return Ok(None);
        }
        let (columns, last) = (&self.columns, ROWS - 1);
        let behind = self.condition(0, from.is_some(), false);
        let look = format!(
            "SELECT {columns} FROM {} WHERE {behind} ORDER BY {columns} LIMIT 1 OFFSET {last}",
            self.table
        );
        let mut statement = self.connection.prepare_cached(&look)?;
        bind(&mut statement, 0, from.into_iter().flatten())?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let values = (0..self.count).map(|index| row.get(index));
        Ok(Some(values.collect::<rusqlite::Result<_>>()?))
    }

    fn condition(&self, bound: usize, has_start: bool, has_end: bool) -> String {
        let side = |compared: &str, first: usize| {
            let marks: Vec<String> = (first..first + self.count)
                .map(|number| format!("?{}", number + 1))
                .collect();
            format!("({}) {compared} ({})", self.columns, marks.join(", "))
        };
        match (has_start, has_end) {
            (false, false) => "true".to_owned(),
            (true, false) => side(">", bound),
            (false, true) => side("<=", bound),
            (true, true) => [side(">", bound), side("<=", bound + self.count)].join(" AND "),
        }
    }
}

fn bind<'v>(
    statement: &mut Statement<'_>,
    before: usize,
    values: impl Iterator<Item = &'v Value>,
) -> rusqlite::Result<()> {
    for (index, value) in values.enumerate() {
        statement.raw_bind_parameter(before + index + 1, value)?;
    }
    Ok(())
}

/// The columns by which a table finds its rows: its numbers of rows, or the primary key where it has none.
fn identity(connection: &Connection, table: &str) -> Sql<Vec<String>> {
    let look =
        "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
    let has_numbers = connection
        .query_row(look, [table], |row| row.get::<_, bool>(0))
        .optional()?
        .is_none_or(|without| !without);
    let mut columns =
        connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1, 'main') ORDER BY pk")?;
    let columns: Vec<(String, i64)> = columns
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if has_numbers {
        let is_free = |name: &&&str| {
            let mut taken = columns.iter();
            !taken.any(|(column, _)| column.eq_ignore_ascii_case(name))
        };
        if let Some(name) = ["rowid", "_rowid_", "oid"].iter().find(is_free) {
            return Ok(vec![(*name).to_owned()]);
        }
    }
    // Where columns have all three names, the key is what is left; without one, all is one piece.
    let keys = columns.iter().filter(|(_, place)| *place > 0);
    Ok(keys.map(|(name, _)| quoted(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row more than two pieces.
    const MANY: u32 = 2 * ROWS + 1;

    #[track_caller]
    fn check(make: &str, expect: &[&str]) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(make).unwrap();
        assert_eq!(identity(&connection, "t").unwrap(), expect, "{make}");
        let fill = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
             INSERT INTO t (a, b) SELECT i / 7, i FROM n"
        );
        connection.execute_batch(&fill).unwrap();
        let pieces = Pieces::of(&connection, "t").unwrap();
        let odd = "DELETE FROM t WHERE b % 2 = ?1";
        let changed = pieces.each(&[&1], |piece| format!("{odd} AND {piece}"));
        assert_eq!(changed.unwrap(), u64::from(ROWS + 1), "{make}");
        let made = std::cell::Cell::new(0);
        let changed = pieces.each(&[], |piece| {
            made.set(made.get() + 1);
            format!("DELETE FROM t WHERE {piece}")
        });
        assert_eq!(
            (changed.unwrap(), made.get()),
            (u64::from(ROWS), 2),
            "{make}"
        );
    }

    #[test]
    fn every_row_is_in_one_piece() {
        check("CREATE TABLE t (a, b)", &["rowid"]);
        check("CREATE TABLE t (a, b, ROWID)", &["_rowid_"]);
        check("CREATE TABLE t (a, b, rowid, _rowid_)", &["oid"]);
        check(
            "CREATE TABLE t (a, b PRIMARY KEY) WITHOUT ROWID",
            &["\"b\""],
        );
        check(
            "CREATE TABLE t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID",
            &["\"a\"", "\"b\""],
        );
        check(
            "CREATE TABLE t (a, b, rowid, _rowid_, oid, PRIMARY KEY (a, b))",
            &["\"a\"", "\"b\""],
        );
    }
}
