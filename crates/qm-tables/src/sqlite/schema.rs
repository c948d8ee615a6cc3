//! Tables of the file: as they are, and made as a declaration says.

use qm_core::config::ColumnType;
use rusqlite::{Connection, OptionalExtension as _};

use super::fault::Sql;
use crate::sql::differences::{FoundColumn, FoundTable};
use crate::sql::layout::Layout;
use crate::sql::quoted;

/// Numbers of more digits may be rounded in a column that keeps numbers as the processor has them.
pub(super) const EXACT_DIGITS: u32 = 15;

/// How a column keeps what it is given (section 3 of `SQLite`'s "Datatypes").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Affinity {
    /// As the declared type says.
    pub(super) fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || has(&["BLOB"]) {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// What it keeps as it is given: `007` stays text only where text stays text.
    fn takes(self) -> Vec<ColumnType> {
        use ColumnType::{Boolean, Date, Decimal, Integer, Text, Timestamp};
        match self {
            Self::Integer => vec![Integer, Boolean],
            Self::Text => vec![Text, Decimal, Date, Timestamp],
            Self::Blob => vec![Text, Integer, Decimal, Boolean, Date, Timestamp],
            Self::Real => vec![Decimal],
            // Days and moments look like no number, so they stay text.
            Self::Numeric => vec![Integer, Decimal, Boolean, Date, Timestamp],
        }
    }
}

/// The table as it is; `None` if there is none.
pub(super) fn find(connection: &Connection, table: &str) -> Sql<Option<FoundTable>> {
    let mut columns = Vec::new();
    let mut primary: Vec<(i64, String)> = Vec::new();
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden \
         FROM pragma_table_xinfo(?1, 'main')",
    )?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let (name, type_name): (String, String) = (row.get(0)?, row.get(1)?);
        let place: i64 = row.get(4)?;
        if place > 0 {
            primary.push((place, name.clone()));
        }
        columns.push(FoundColumn {
            takes: Affinity::of(&type_name).takes(),
            type_name: if type_name.is_empty() {
                "of no type".to_owned()
            } else {
                type_name
            },
            name,
            is_not_null: row.get(2)?,
            has_default: row.get(3)?,
            is_generated: row.get::<_, i64>(5)? != 0,
        });
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let mut unique = unique_indexes(connection, table)?;
    if !primary.is_empty() {
        unique.push(primary.into_iter().map(|(_, name)| name).collect());
    }
    Ok(Some(FoundTable {
        columns,
        unique,
        ignores_case: true,
    }))
}

fn unique_indexes(connection: &Connection, table: &str) -> Sql<Vec<Vec<String>>> {
    let mut statement = connection.prepare(
        "SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial",
    )?;
    let names: Vec<String> = statement
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut of_index =
        connection.prepare("SELECT coalesce(name, '') FROM pragma_index_info(?1, 'main')")?;
    let mut found = Vec::new();
    for name in names {
        found.push(
            of_index
                .query_map([name], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
        );
    }
    Ok(found)
}

/// Makes it as the declaration says.
pub(super) fn create(connection: &Connection, table: &str, layout: &Layout) -> Sql<()> {
    let columns = layout.list(|index, name| {
        let column = &layout.columns[index];
        let not_null = if column.is_filled { " NOT NULL" } else { "" };
        format!("{name} {}{not_null}", type_of(column.kind))
    });
    // Appended rows may have the key of others.
    let key = if layout.is_merged() {
        format!(", PRIMARY KEY ({})", layout.key_names())
    } else {
        String::new()
    };
    let make = format!("CREATE TABLE main.{} ({columns}{key})", quoted(table));
    connection.execute_batch(&make)?;
    Ok(())
}

/// Digits of decimal numbers stay as they are only as text.
fn type_of(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Integer | ColumnType::Boolean => "INTEGER",
        ColumnType::Text | ColumnType::Decimal | ColumnType::Date | ColumnType::Timestamp => "TEXT",
    }
}

/// What staged rows are kept in, compared as the table does; behind them the row's number in the file,
/// if that is to be known.
pub(super) fn staged_columns(layout: &Layout, there: &FoundTable, number: Option<&str>) -> String {
    let columns = layout.list(|index, name| {
        let found = there.column(&layout.columns[index].name);
        let type_name = found.map_or("", |found| found.type_name.as_str());
        let affinity = match Affinity::of(type_name) {
            Affinity::Integer => "INTEGER",
            Affinity::Text => "TEXT",
            Affinity::Blob => "BLOB",
            Affinity::Real => "REAL",
            Affinity::Numeric => "NUMERIC",
        };
        // `BLOB` and no type at all keep what they are given.
        if type_name == "of no type" {
            return name;
        }
        format!("{name} {affinity}")
    });
    let number = number.map(|name| format!(", {name} INTEGER"));
    columns + &number.unwrap_or_default()
}

/// A name for the column of the numbers, as it is to be written, that none of the others has.
pub(super) fn number_column(layout: &Layout) -> String {
    let mut name = "quaymaster_row".to_owned();
    let columns = &layout.columns;
    while columns
        .iter()
        .any(|column| column.name.eq_ignore_ascii_case(&name))
    {
        name.push('_');
    }
    quoted(&name)
}

/// True if the table has no row.
pub(super) fn is_empty(connection: &Connection, table: &str) -> Sql<bool> {
    let look = format!("SELECT 1 FROM main.{} LIMIT 1", quoted(table));
    let found = connection.query_row(&look, [], |_| Ok(())).optional()?;
    Ok(found.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::table;
    use qm_core::config::LoadMode;

    #[track_caller]
    fn check(declared: &str, expect: Affinity) {
        assert_eq!(Affinity::of(declared), expect, "{declared}");
    }

    #[test]
    fn the_column_of_numbers_is_none_of_the_files() {
        for (cells, expect) in [
            (&["ID"][..], r#""quaymaster_row""#),
            (&["ID", "Quaymaster_Row"][..], r#""quaymaster_row_""#),
        ] {
            let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            let layout = Layout::new(&table(LoadMode::Upsert), &cells).unwrap();
            assert_eq!(number_column(&layout), expect);
        }
    }

    #[test]
    fn affinities_are_those_of_sqlite() {
        check("INTEGER", Affinity::Integer);
        check("bigint", Affinity::Integer);
        check("VARCHAR(10)", Affinity::Text);
        check("CHARINT", Affinity::Integer);
        check("", Affinity::Blob);
        check("DOUBLE PRECISION", Affinity::Real);
        check("DECIMAL(10,2)", Affinity::Numeric);
        check("DATE", Affinity::Numeric);
        check("BOOLEAN", Affinity::Numeric);
    }
}
