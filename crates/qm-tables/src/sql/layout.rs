//! Which columns of a table a load writes.

use qm_core::config::{ColumnType, LoadMode, Table};
use qm_core::{Error, Kind, Result};

use super::quoted;

/// The column of appended rows that says by which delivery they came.
const DELIVERY: &str = "delivery";

/// A column that is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LayoutColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// No row comes without it.
    pub(crate) is_filled: bool,
}

/// The columns that are written, in the order in which a row's values come: first the cells of the
/// file, then what is the same for all rows of a load.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<LayoutColumn>,
    /// How many of them are cells.
    pub(crate) cells: usize,
    /// Which of them make a row the same row.
    pub(crate) key: Vec<usize>,
    /// Which holds the arrival's number.
    pub(crate) sequence: Option<usize>,
    /// Which holds the delivery.
    pub(crate) delivery: Option<usize>,
    pub(crate) mode: LoadMode,
    /// True if what `load undo` needs is kept.
    pub(crate) undo: bool,
}

impl Layout {
    /// For rows with these cells.
    pub(crate) fn new<S>(table: &Table<S>, cells: &[String]) -> Result<Self> {
        let mut columns: Vec<LayoutColumn> = cells
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let declared = table.rows.columns.get(index);
                LayoutColumn {
                    name: name.clone(),
                    kind: declared.map_or(ColumnType::Text, |column| column.kind),
                    is_filled: declared.is_some_and(|column| column.required)
                        || table.key.contains(name),
                }
            })
            .collect();
        let mut key = Vec::new();
        for name in &table.key {
            let index = cells.iter().position(|cell| cell == name);
            key.push(index.ok_or_else(|| no_key_column(name))?);
        }
        let mut add = |name: &str, kind| {
            columns.push(LayoutColumn {
                name: name.to_owned(),
                kind,
                is_filled: true,
            });
            columns.len() - 1
        };
        let sequence = table
            .sequence
            .as_deref()
            .map(|name| add(name, ColumnType::Integer));
        let delivery =
            (table.undo && table.mode == LoadMode::Append).then(|| add(DELIVERY, ColumnType::Text));
        if let Some(name) = twice(&columns) {
            return Err(Error::new(
                Kind::Invalid,
                format!("the load would write column `{name}` twice"),
            )
            .help(
                "databases take `ID` and `id` for one column: declare the columns with other names",
            ));
        }
        Ok(Self {
            columns,
            cells: cells.len(),
            key,
            sequence,
            delivery,
            mode: table.mode,
            undo: table.undo,
        })
    }

    /// As far as it is declared; `None` if only the file's header says what its columns are.
    pub(crate) fn declared<S>(table: &Table<S>) -> Option<Result<Self>> {
        let names: Vec<String> = table
            .rows
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        (!names.is_empty()).then(|| Self::new(table, &names))
    }

    /// The names of all columns, quoted, with commas.
    pub(crate) fn names(&self) -> String {
        self.list(|_, name| name)
    }

    /// A comma-separated list of something made of each column's number and quoted name.
    pub(crate) fn list(&self, mut make: impl FnMut(usize, String) -> String) -> String {
        let made: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| make(index, quoted(&column.name)))
            .collect();
        made.join(", ")
    }

    /// The names of the key's columns, quoted, with commas.
    pub(crate) fn key_names(&self) -> String {
        let names: Vec<String> = self
            .key
            .iter()
            .map(|index| quoted(&self.columns[*index].name))
            .collect();
        names.join(", ")
    }

    /// False if a row is its key and nothing else.
    pub(crate) fn has_values(&self) -> bool {
        self.columns.len() > self.key.len()
    }

    /// True if rows are compared with those that are there before they are written.
    pub(crate) fn is_merged(&self) -> bool {
        match self.mode {
            LoadMode::Append => false,
            LoadMode::Upsert => true,
            // Without a key a row is no other's successor.
            LoadMode::Replace => !self.key.is_empty(),
        }
    }
}

fn twice(columns: &[LayoutColumn]) -> Option<&str> {
    let mut names: Vec<String> = columns
        .iter()
        .map(|column| column.name.to_lowercase())
        .collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1])?;
    let found = columns
        .iter()
        .rev()
        .find(|column| column.name.to_lowercase() == twice[0]);
    found.map(|column| column.name.as_str())
}

fn no_key_column(name: &str) -> Error {
    Error::new(
        Kind::Invalid,
        format!("the key's column `{name}` is not among the columns that are loaded"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::table;

    #[track_caller]
    fn check(table: &Table<()>, cells: &[&str], expect: Result<&str, &str>) {
        let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        let made = Layout::new(table, &cells);
        match (made, expect) {
            (Ok(layout), Ok(names)) => assert_eq!(layout.names(), names),
            (Err(error), Err(part)) => {
                let message = error.public_message();
                assert!(message.contains(part), "{message}");
            }
            (made, expect) => panic!("{made:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn what_is_the_same_for_all_rows_comes_behind_the_cells() {
        let plain = table(LoadMode::Append);
        check(&plain, &["ID", "a\"b"], Ok(r#""ID", "a""b""#));
        let mut kept = table(LoadMode::Append);
        kept.undo = true;
        kept.sequence = Some("seq".to_owned());
        check(&kept, &["ID"], Ok(r#""ID", "seq", "delivery""#));
        kept.mode = LoadMode::Upsert;
        check(&kept, &["ID"], Ok(r#""ID", "seq""#));
        check(&kept, &["ID", "Seq"], Err("column `seq` twice"));
        check(&plain, &["ID", "x", "X"], Err("column `X` twice"));
        check(&plain, &["x"], Err("key's column `ID`"));
    }
}
