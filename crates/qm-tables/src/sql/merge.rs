//! Staged rows into the table: what they change is counted first, then written. The staged rows have
//! each key once; `t` is the table, `s` what is staged.

use super::layout::Layout;
use super::quoted;

/// The statements of one merge.
#[derive(Clone, Debug)]
pub(crate) struct Merge {
    /// Staged rows whose key is there: all, those of a later arrival, those that change.
    pub(crate) count: String,
    /// Writes those that are there.
    pub(crate) update: String,
    /// Writes those that are not.
    pub(crate) insert: String,
    /// Removes what is there and not staged.
    pub(crate) remove: String,
    /// The keys of what is there and not staged, for a database that removes piece by piece.
    pub(crate) missing: String,
    /// The numbers of rows that are inserted or changed, in any order, and whether each is not there yet.
    pub(crate) told: Option<String>,
}

/// Between these tables, quoted as they are to be written; `sequence` is the arrival's number, `number`
/// the column of each staged row's, if rows are to be told.
pub(crate) fn merge(
    layout: &Layout,
    table: &str,
    staged: &str,
    sequence: i64,
    number: Option<&str>,
) -> Merge {
    let name = |index: &usize| quoted(&layout.columns[*index].name);
    let is_same_row = joined(&layout.key, " AND ", |index| {
        let name = name(index);
        format!("t.{name} = s.{name}")
    });
    let is_later = layout.sequence.map_or_else(
        || "false".to_owned(),
        |index| format!("coalesce(t.{} > {sequence}, false)", name(&index)),
    );
    let values: Vec<usize> = (0..layout.columns.len())
        .filter(|index| !layout.key.contains(index))
        .collect();
    let compared: Vec<usize> = values
        .iter()
        .copied()
        .filter(|index| Some(*index) != layout.sequence)
        .collect();
    let differs = if compared.is_empty() {
        "false".to_owned()
    } else {
        joined(&compared, " OR ", |index| {
            let name = name(index);
            format!("t.{name} IS DISTINCT FROM s.{name}")
        })
    };
    let assigned = joined(&values, ", ", |index| {
        let name = name(index);
        format!("{name} = s.{name}")
    });
    // A row that a later arrival confirms is of that arrival, changed or not.
    let is_written = if layout.sequence.is_some() {
        format!("NOT {is_later}")
    } else {
        format!("({differs})")
    };
    let is_changed = format!("NOT {is_later} AND ({differs})");
    let is_new = joined(&layout.key, " AND ", |index| {
        format!("t.{} IS NULL", name(index))
    });
    let is_missing = format!("NOT EXISTS (SELECT 1 FROM {staged} AS s WHERE {is_same_row})");
    let keys = joined(&layout.key, ", ", |index| format!("t.{}", name(index)));
    let names = layout.names();
    let of_staged = layout.list(|_, name| format!("s.{name}"));
    Merge {
        count: format!(
            "SELECT count(*), count(CASE WHEN {is_later} THEN 1 END), \
             count(CASE WHEN {is_changed} THEN 1 END) \
             FROM {staged} AS s JOIN {table} AS t ON {is_same_row}"
        ),
        update: format!(
            "UPDATE {table} AS t SET {assigned} FROM {staged} AS s \
             WHERE {is_same_row} AND {is_written}"
        ),
        insert: format!(
            "INSERT INTO {table} ({names}) SELECT {of_staged} FROM {staged} AS s \
             WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {is_same_row})"
        ),
        remove: format!("DELETE FROM {table} AS t WHERE {is_missing}"),
        missing: format!("SELECT {keys} FROM {table} AS t WHERE {is_missing}"),
        told: number.map(|number| {
            format!(
                "SELECT s.{number}, ({is_new}) FROM {staged} AS s LEFT JOIN {table} AS t \
                 ON {is_same_row} WHERE ({is_new}) OR ({is_changed})"
            )
        }),
    }
}

/// Writes those that are there and those that are not, row by row, for a database that keeps in memory
/// what an UPDATE of many rows takes from another table; of the staged rows, a piece.
pub(crate) fn upsert(
    layout: &Layout,
    table: &str,
    staged: &str,
    sequence: i64,
    piece: &str,
) -> String {
    let there = |index: &usize| format!("{table}.{}", quoted(&layout.columns[*index].name));
    let new = |index: &usize| format!("excluded.{}", quoted(&layout.columns[*index].name));
    let values: Vec<usize> = (0..layout.columns.len())
        .filter(|index| !layout.key.contains(index))
        .collect();
    let (names, keys) = (layout.names(), layout.key_names());
    let insert = format!(
        "INSERT INTO {table} ({names}) SELECT {names} FROM {staged} WHERE {piece} ON CONFLICT ({keys})"
    );
    if values.is_empty() {
        return format!("{insert} DO NOTHING");
    }
    let assigned = joined(&values, ", ", |index| {
        let name = quoted(&layout.columns[*index].name);
        format!("{name} = {}", new(index))
    });
    let is_written = match &layout.sequence {
        Some(index) => format!("NOT coalesce({} > {sequence}, false)", there(index)),
        None => joined(&values, " OR ", |index| {
            format!("{} IS DISTINCT FROM {}", there(index), new(index))
        }),
    };
    format!("{insert} DO UPDATE SET {assigned} WHERE {is_written}")
}

/// What a merge has to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) staged: u64,
    /// Of those, whose key is there.
    pub(crate) there: u64,
    /// Of those, which belong to a later arrival.
    pub(crate) later: u64,
    /// Of those, which have other values.
    pub(crate) changed: u64,
}

impl Found {
    /// Rows with keys that are not there.
    pub(crate) fn inserted(self) -> u64 {
        self.staged.saturating_sub(self.there)
    }

    /// Rows that are there just so.
    pub(crate) fn unchanged(self) -> u64 {
        self.there.saturating_sub(self.later + self.changed)
    }

    /// True if [`Merge::update`] has anything to do.
    pub(crate) fn updates(self, layout: &Layout) -> bool {
        let writes_all = layout.sequence.is_some() && self.there > self.later;
        // A key and nothing else has no values to write.
        (writes_all || self.changed > 0) && layout.has_values()
    }
}

fn joined(indices: &[usize], between: &str, make: impl Fn(&usize) -> String) -> String {
    let made: Vec<String> = indices.iter().map(make).collect();
    made.join(between)
}
