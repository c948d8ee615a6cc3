//! The cells of one sheet.

use calamine::{CellErrorType, DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};
use qm_core::{Error, Kind, Result};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::archive;
use super::store::{Store, Stored, Tag};
use crate::shape::refused;
use crate::value::quoted;

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const OLE_MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Cells of a sheet: what takes a reader ten seconds.
const CELLS: u64 = 50_000_000;

/// Reads a sheet of a workbook, the first if none is named; what the workbook is, its bytes say.
pub(super) fn read(bytes: Vec<u8>, sheet: Option<&str>) -> Result<Stored> {
    if bytes.starts_with(OLE_MAGIC) {
        return super::biff::read(bytes, sheet);
    }
    if !bytes.starts_with(ZIP_MAGIC) {
        return Err(refused("this is no workbook of Excel"));
    }
    let parts = archive::counted(&bytes)?;
    drop(bytes);
    // A fault of the parser must cost its file, not the program.
    catch_unwind(AssertUnwindSafe(|| xlsx(parts, sheet, CELLS)))
        .unwrap_or_else(|_| Err(refused("the workbook is damaged: its reader gave up")))
}

fn xlsx(bytes: Vec<u8>, sheet: Option<&str>, cells_max: u64) -> Result<Stored> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    let name = choose(&workbook.sheet_names(), sheet)?;
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(damaged)?;
    let mut store = Store::new();
    let mut count = 0;
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        count += 1;
        if count > cells_max {
            return Err(too_many_cells(cells_max));
        }
        let (row, column) = cell.get_position();
        let (tag, text) = match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::String(text) => (Tag::Text, text.as_str()),
            DataRef::SharedString(text) => (Tag::Text, *text),
            DataRef::Int(value) => (Tag::Exact, &*value.to_string()),
            DataRef::Float(value) => (Tag::Exact, &*number(*value)),
            DataRef::Bool(value) => (Tag::Exact, truth(*value)),
            DataRef::DateTime(value) => (Tag::Exact, &*moment(*value)),
            DataRef::DateTimeIso(text) => (Tag::Exact, text.as_str()),
            DataRef::DurationIso(text) => (Tag::Text, text.as_str()),
            DataRef::Error(error) => (Tag::Failed, fault(error)),
        };
        if !text.is_empty() {
            store.cell(row, column, tag, text)?;
        }
    }
    store.finish()
}

/// The sheet's name, as the workbook has it.
pub(super) fn choose(names: &[String], sheet: Option<&str>) -> Result<String> {
    let found = match sheet {
        None => names.first(),
        Some(sheet) => names.iter().find(|name| *name == sheet),
    };
    found.cloned().ok_or_else(|| match sheet {
        None => refused("the workbook has no sheet"),
        Some(sheet) => {
            let names: Vec<String> = names.iter().take(10).map(|name| quoted(name)).collect();
            refused(format!(
                "the workbook has no sheet {}; it has {}",
                quoted(sheet),
                names.join(", ")
            ))
        }
    })
}

fn too_many_cells(cells_max: u64) -> Error {
    refused(format!(
        "the sheet has more than {cells_max} cells; send rows as CSV"
    ))
}

/// The shortest text that is the number.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if (1e-7..1e21).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

pub(super) fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// As in ISO 8601: a day, a time of day, or both.
pub(super) fn moment(value: ExcelDateTime) -> String {
    let serial = value.as_f64();
    if value.is_duration() {
        return duration(serial);
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    let fraction = if milli == 0 {
        String::new()
    } else {
        format!(".{milli:03}")
    };
    let clock = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    if (0.0..1.0).contains(&serial) {
        return clock;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if clock == "00:00:00" {
        date
    } else {
        format!("{date}T{clock}")
    }
}

/// Hours, of which a duration may have more than a day has.
fn duration(serial: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "casts of floats saturate, and a duration of that length is shown wrong by Excel too"
    )]
    let seconds = (serial * 86_400.0).round() as i64;
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    format!(
        "{sign}{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// As the sheet shows it.
fn fault(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        CellErrorType::GettingData => "#GETTING_DATA",
    }
}

/// As the sheet shows it, by its number in Excel 97.
pub(super) fn fault_of(number: u8) -> &'static str {
    match number {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        _ => "#N/A",
    }
}

fn damaged(error: XlsxError) -> Error {
    let is_locked = matches!(error, XlsxError::Password);
    let sentence = if is_locked {
        "the workbook is protected by a password"
    } else {
        "the workbook is damaged"
    };
    Error::new(Kind::Refused, sentence)
        .during("reading a workbook")
        .source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKBOOK: &[u8] = include_bytes!("../../tests/it/data/products.xlsx");

    #[test]
    fn a_sheet_of_too_many_cells_is_refused() {
        let read = |cells_max| xlsx(WORKBOOK.to_vec(), Some("Data"), cells_max).map(|_| ());
        let most = (0..100).find(|cells_max| read(*cells_max).is_ok());
        // A header of eight, and three rows.
        assert!(most.is_some_and(|most| most > 8), "{most:?}");
        let refusal = read(8).unwrap_err();
        let said = "the sheet has more than 8 cells; send rows as CSV";
        assert_eq!(
            (refusal.kind(), refusal.public_message()),
            (Kind::Refused, said)
        );
        let said = "the sheet has more than 50000000 cells; send rows as CSV";
        assert_eq!(too_many_cells(CELLS).public_message(), said);
    }
}
