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
use crate::room::Room;
use crate::shape::{Fault, refused};
use crate::{Finish, Output};
use store::{Stored, StoredRow};

/// Memory is asked for in steps of so much, not twice as much as there is.
const STEP_BYTES: usize = 1024 * 1024;

/// A workbook being received, then read.
pub(crate) struct Excel {
    sheet: Option<String>,
    bytes: Vec<u8>,
    /// Of `bytes`, if others want some of it as well.
    room: Option<Room>,
    stored: Option<Stored>,
    row: StoredRow,
}

impl Excel {
    pub(crate) fn new(sheet: Option<String>) -> Self {
        Self {
            sheet,
            bytes: Vec::new(),
            room: None,
            stored: None,
            row: StoredRow::default(),
        }
    }

    /// To be held in the memory that uploads share.
    pub(crate) fn share_room(&mut self) {
        self.room = Some(Room::default());
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.bytes.len() + bytes.len() > WORKBOOK_BYTES {
            // The rest may be long in coming.
            self.bytes = Vec::new();
            self.room = None;
            return Err(refused(format!(
                "the workbook is larger than {} MiB; send rows as CSV",
                WORKBOOK_BYTES / 1024 / 1024
            )));
        }
        if let Some(room) = &mut self.room {
            room.take(bytes.len())?;
        }
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(STEP_BYTES));
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
