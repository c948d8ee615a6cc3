//! Which loads can be taken back.

use qm_core::{Error, Kind, Result};

use super::loads::Recorded;

/// How a load is taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Undo {
    /// Its rows carry its delivery.
    Appended,
    /// The rows before are kept.
    Replaced,
}

/// A load that can be taken back.
#[derive(Clone, Debug)]
pub(crate) struct Undoable {
    pub(crate) what: Undo,
    pub(crate) table: String,
}

/// The table that keeps what was replaced in `table`.
pub(crate) fn kept_name(table: &str) -> String {
    format!("quaymaster_undo_{table}")
}

/// A sentence why it cannot be taken back, or how it is; `built_on`: later loads into its table.
pub(crate) fn refusal(load: Option<Recorded>, built_on: i64) -> Result<Undoable> {
    let Some(load) = load else {
        return Err(Error::new(
            Kind::NotFound,
            "the delivery is not loaded, or was taken back already",
        ));
    };
    let what = match load.mode.as_str() {
        "append" => Undo::Appended,
        "replace" => Undo::Replaced,
        _ => {
            return Err(refused(
                "rows that were merged by their key cannot be taken back: nothing keeps what they were before",
            ));
        }
    };
    if load.counts.loaded() == 0 {
        return Err(refused("the load changed nothing in the table"));
    }
    if what == Undo::Replaced && built_on > 0 {
        return Err(refused(format!(
            "{built_on} later loads into the table build on this one"
        ))
        .help("only the latest replacement can be taken back"));
    }
    if !load.is_kept {
        return Err(
            refused("nothing was kept that the load could be taken back with")
                .help("`undo = true` in the destination counts for later loads; of replacements only what the latest replaced is kept"),
        );
    }
    Ok(Undoable {
        what,
        table: load.table,
    })
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Refused, message)
}
