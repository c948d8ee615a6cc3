//! Workbooks. They are read whole, when their last byte is there, within hard caps: first what they
//! would unpack to is counted, then their cells are read into a store of ours, one sheet only.

mod archive;
mod biff;
mod markup;
mod ole;
mod sheet;
mod store;

use qm_core::Result;

use crate::collect::{Collector, too_many_columns};
use crate::limits::{COLUMNS, ROW_BYTES, WORKBOOK_BYTES};
use crate::shape::{Fault, refused};
use crate::{Finish, Output};
use store::{Stored, StoredRow};

/// A workbook being received, then read.
pub(crate) struct Excel {
    sheet: Option<String>,
    bytes: Vec<u8>,
    stored: Option<Stored>,
    row: StoredRow,
}

impl Excel {
    pub(crate) fn new(sheet: Option<String>) -> Self {
        Self {
            sheet,
            bytes: Vec::new(),
            stored: None,
            row: StoredRow::default(),
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.bytes.len() + bytes.len() > WORKBOOK_BYTES {
            return Err(refused(format!(
                "the workbook is larger than {} MiB; send rows as CSV",
                WORKBOOK_BYTES / 1024 / 1024
            )));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Reads on until the output is full or the sheet is done.
    pub(crate) fn finish(&mut self, rows: &mut Collector, output: &mut Output) -> Result<Finish> {
        let stored = if let Some(stored) = &mut self.stored {
            stored
        } else {
            let bytes = std::mem::take(&mut self.bytes);
            self.stored.insert(if bytes.is_empty() {
                Stored::default()
            } else {
                sheet::read(bytes, self.sheet.as_deref())?
            })
        };
        while !output.is_full() {
            if !stored.next(&mut self.row)? {
                return Ok(Finish::Done);
            }
            let row = &self.row;
            if rows.headers().is_empty() {
                if row.count() > COLUMNS {
                    return Err(too_many_columns());
                }
                let header = |at| row.cell(at).text().unwrap_or_default().to_owned();
                rows.header((0..row.count()).map(header).collect())?;
            } else if row.is_too_long() {
                let reason = format!(
                    "longer than {} MiB, the most that a row may have",
                    ROW_BYTES / 1024 / 1024
                );
                let fault = Fault {
                    column: None,
                    reason,
                };
                rows.reject(row.line(), fault, Vec::new(), output);
            } else {
                rows.row(row.line(), row.count(), |at| row.cell(at), output);
            }
        }
        Ok(Finish::More)
    }
}
