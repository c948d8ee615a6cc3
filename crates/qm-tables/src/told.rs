//! What became of each row, a line of the log a row, for those who ask for it. A row is told by its
//! number in the file, never by what is in it.
//!
//! In SQL it is told before it is written for good, and a trigger of the table may leave it out: the
//! load's own line, which comes last, says whether rows are there, and how many.

use qm_core::id::DeliveryId;
use tracing::Level;

/// What `QUAYMASTER_LOG` names to have them.
const TARGET: &str = "qm_tables::rows";

/// What becomes of a row that a load writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Became {
    Inserted,
    Updated,
    /// One of the two: nobody asked the table which.
    Written,
}

impl Became {
    /// Of a row that is merged into a table.
    pub(crate) fn merged(is_new: bool) -> Self {
        if is_new {
            Self::Inserted
        } else {
            Self::Updated
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Written => "written",
        }
    }
}

/// True if somebody wants to hear of rows: asked once a load.
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// One row of a delivery, by its number in the file.
pub(crate) fn row(delivery: DeliveryId, number: u64, became: Became) {
    let became = became.as_str();
    tracing::debug!(target: TARGET, %delivery, row = number, "{became}");
}
