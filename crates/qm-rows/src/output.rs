//! What comes out of a file: rows, and rows that are none.

use crate::Batch;

/// Rejects beyond this make an output full: a file of nothing else takes no more memory than another.
const REJECTS: usize = 1024;
/// Text of rejects beyond this makes an output full.
const REJECTED_BYTES: usize = 1024 * 1024;

/// What was read since it was last cleared.
#[derive(Debug, Default)]
pub struct Output {
    /// The rows.
    pub batch: Batch,
    /// Rows that are not what the declaration says.
    pub rejects: Vec<Reject>,
    rejected_bytes: usize,
}

/// A row that is not what the declaration says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// Which row of the file, from 1, the header not counted.
    pub row: u64,
    /// The line it begins on, as an editor shows it: from 1, the header and line breaks in cells
    /// counted. In a workbook, the sheet's row.
    pub line: u64,
    /// The column at fault, by its header in the file; `None` if it is the whole row.
    pub column: Option<String>,
    /// What is wrong, without the line: lowercase, without full stop.
    pub reason: String,
    /// What the row holds, by header; `None` where the row ends early. Cells beyond the header are
    /// called `column N`.
    pub cells: Vec<(String, Option<String>)>,
}

/// Whether the file is at its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    /// The output is full: write it, clear it, and call again.
    More,
    /// All rows are out.
    Done,
}

impl Output {
    /// True if it should be written and cleared before more is read.
    pub fn is_full(&self) -> bool {
        self.batch.is_full()
            || self.rejects.len() >= REJECTS
            || self.rejected_bytes >= REJECTED_BYTES
    }

    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.rejects.clear();
        self.rejected_bytes = 0;
    }

    pub(crate) fn reject(&mut self, reject: Reject) {
        let cells = reject.cells.iter();
        self.rejected_bytes += reject.reason.len()
            + cells
                .map(|(name, cell)| name.len() + cell.as_ref().map_or(0, String::len))
                .sum::<usize>();
        self.rejects.push(reject);
    }
}

impl Reject {
    /// A sentence for whoever sent the file.
    pub fn sentence(&self) -> String {
        match &self.column {
            Some(column) => format!("line {}, column {column}: {}", self.line, self.reason),
            None => format!("line {}: {}", self.line, self.reason),
        }
    }
}
