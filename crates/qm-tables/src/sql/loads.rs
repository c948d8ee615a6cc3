//! `quaymaster_loads`: a row for each load, written in its own transaction.

use qm_core::config::LoadMode;
use qm_core::delivery::Delivery;
use qm_core::load::Counts;
use qm_core::{Error, Kind};

/// The table of loads, in the schema or file of the table that is loaded.
pub(crate) const NAME: &str = "quaymaster_loads";

/// The columns of [`Counts`], in its order.
pub(crate) const COUNTS: &str =
    "rows_read, rows_inserted, rows_updated, rows_unchanged, rows_rejected, rows_superseded";

/// Makes it; `loads` is its name as it is to be written.
pub(crate) fn create(loads: &str) -> [String; 2] {
    [
        format!(
            "CREATE TABLE IF NOT EXISTS {loads} (
                delivery text PRIMARY KEY,
                destination text NOT NULL,
                table_name text NOT NULL,
                source text NOT NULL,
                arrival bigint NOT NULL,
                mode text NOT NULL,
                rows_read bigint NOT NULL,
                rows_inserted bigint NOT NULL,
                rows_updated bigint NOT NULL,
                rows_unchanged bigint NOT NULL,
                rows_rejected bigint NOT NULL,
                rows_superseded bigint NOT NULL,
                is_kept boolean NOT NULL,
                loaded_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP,
                undone_at timestamp with time zone)"
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS quaymaster_loads_newest ON {loads} (table_name, arrival)"
        ),
    ]
}

// `SQLite` numbers parameters in the order in which they first appear, so that is their order here.

/// Delivery.
pub(crate) fn find(loads: &str) -> String {
    format!(
        "SELECT {COUNTS}, mode, is_kept, table_name, arrival FROM {loads} \
         WHERE delivery = $1 AND undone_at IS NULL"
    )
}

/// Delivery, destination, table, source, arrival, mode, the counts, whether `load undo` has what it
/// needs. One that was undone before counts again.
pub(crate) fn insert(loads: &str) -> String {
    format!(
        "INSERT INTO {loads} (delivery, destination, table_name, source, arrival, mode, {COUNTS}, is_kept) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (delivery) DO UPDATE SET arrival = excluded.arrival, mode = excluded.mode, \
             rows_read = excluded.rows_read, rows_inserted = excluded.rows_inserted, \
             rows_updated = excluded.rows_updated, rows_unchanged = excluded.rows_unchanged, \
             rows_rejected = excluded.rows_rejected, rows_superseded = excluded.rows_superseded, \
             is_kept = excluded.is_kept, loaded_at = CURRENT_TIMESTAMP, undone_at = NULL \
             WHERE {loads}.undone_at IS NOT NULL"
    )
}

/// Table: what earlier replacements replaced is kept no longer.
pub(crate) fn forget_kept(loads: &str) -> String {
    format!(
        "UPDATE {loads} SET is_kept = false WHERE table_name = $1 AND mode = 'replace' AND is_kept"
    )
}

/// Table, arrival, source: whether a later version of the source is in the table, or, after a
/// replacement, any later file.
pub(crate) fn is_overtaken(loads: &str) -> String {
    format!(
        "SELECT count(*) FROM {loads} WHERE table_name = $1 AND arrival > $2 AND undone_at IS NULL \
         AND rows_read > rows_rejected AND (source = $3 OR mode = 'replace')"
    )
}

/// Table, arrival: the loads that a replacement would take away although they came later.
pub(crate) fn is_newer(loads: &str) -> String {
    format!(
        "SELECT count(*) FROM {loads} WHERE table_name = $1 AND arrival > $2 AND undone_at IS NULL \
         AND rows_read > rows_rejected"
    )
}

/// Table, delivery: whether it was loaded into after that load.
pub(crate) fn is_built_on(loads: &str) -> String {
    format!(
        "SELECT count(*) FROM {loads} AS l JOIN {loads} AS u ON l.table_name = $1 AND u.delivery = $2 \
         WHERE l.delivery <> u.delivery AND l.undone_at IS NULL \
         AND l.rows_read > l.rows_rejected AND l.arrival > u.arrival"
    )
}

/// Delivery.
pub(crate) fn undone(loads: &str) -> String {
    format!("UPDATE {loads} SET undone_at = CURRENT_TIMESTAMP WHERE delivery = $1")
}

/// The word for a mode.
pub(crate) fn mode(mode: LoadMode) -> &'static str {
    match mode {
        LoadMode::Upsert => "upsert",
        LoadMode::Append => "append",
        LoadMode::Replace => "replace",
    }
}

/// A load as its row says.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) counts: Counts,
    pub(crate) mode: String,
    pub(crate) is_kept: bool,
    pub(crate) table: String,
}

/// As the columns of [`COUNTS`] hold them.
pub(crate) fn stored(counts: &Counts) -> [i64; 6] {
    let Counts {
        read,
        inserted,
        updated,
        unchanged,
        rejected,
        superseded,
    } = *counts;
    [read, inserted, updated, unchanged, rejected, superseded]
        .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

/// From the columns of [`COUNTS`].
pub(crate) fn counts(stored: [i64; 6]) -> Counts {
    let [read, inserted, updated, unchanged, rejected, superseded] =
        stored.map(|count| u64::try_from(count).unwrap_or_default());
    Counts {
        read,
        inserted,
        updated,
        unchanged,
        rejected,
        superseded,
    }
}

/// A later version is in the table: this one must not go over it.
pub(crate) fn overtaken(delivery: &Delivery) -> Error {
    Error::new(
        Kind::Conflict,
        "a later file was loaded into the table first; this one must not go over it",
    )
    .with("source", &delivery.source)
    .with("arrival", delivery.arrival)
}

/// Another attempt of the same delivery was first.
pub(crate) fn loaded_already(delivery: &Delivery) -> Error {
    Error::new(Kind::Conflict, "the delivery is loaded already").with("delivery", delivery.id)
}
