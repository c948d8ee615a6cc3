//! Workbooks of Excel 97, record by record. Readers of whole sheets make tables of them that are as
//! large as the corner farthest away and copy a shared text for each cell; this one keeps neither.

mod number_format;
mod text;

use calamine::{ExcelDateTime, ExcelDateTimeType};
use qm_core::Result;
use std::collections::HashMap;

use super::ole::{self, damaged, u16_at, u32_at};
use super::sheet::{choose, fault_of, moment, number, truth};
use super::store::{Store, Stored, Tag};
use crate::shape::refused;
use number_format::Shown;
use text::{Texts, long_text, short_text};

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000a;
const CONTINUE: u16 = 0x003c;
/// In its beginning: the version that Excel 97 and later write.
const VERSION: u16 = 0x0600;

/// Each of them is remembered, and Excel's are limited by its memory.
const SHEETS: usize = 4_000;

/// Reads a sheet of a workbook, the first if none is named.
pub(super) fn read(bytes: Vec<u8>, sheet: Option<&str>) -> Result<Stored> {
    let stream = ole::workbook(&bytes)?;
    drop(bytes);
    let workbook = Workbook::read(&stream)?;
    let names: Vec<String> = workbook
        .sheets
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let name = choose(&names, sheet)?;
    let start = workbook.sheets.iter().find(|(own, _)| *own == name);
    let start = start.map(|(_, start)| *start).ok_or_else(damaged)?;
    let mut cells = Cells {
        workbook: &workbook,
        store: Store::new(),
        formula: None,
    };
    let mut depth = 0_u32;
    for record in Records::at(&stream, start) {
        match record.kind {
            BOF => depth += 1,
            EOF if depth <= 1 => break,
            EOF => depth -= 1,
            // Charts within the sheet have cells of their own.
            _ if depth == 1 => cells.take(&record)?,
            _ => {}
        }
    }
    cells.store.finish()
}

/// What cells refer to.
struct Workbook {
    sheets: Vec<(String, usize)>,
    texts: Texts,
    /// How the numbers of each format of cells are shown.
    shown: Vec<Shown>,
    is_1904: bool,
}

impl Workbook {
    fn read(stream: &[u8]) -> Result<Self> {
        let mut sheets = Vec::new();
        let mut texts = Texts::default();
        let mut formats = HashMap::new();
        let mut cell_formats = Vec::new();
        let mut is_1904 = false;
        for record in Records::at(stream, 0) {
            let data = record.data;
            match record.kind {
                BOF if u16_at(data, 0) != Some(VERSION) => {
                    return Err(refused(
                        "the workbook is older than Excel 97; save it as .xlsx",
                    ));
                }
                0x002f => return Err(refused("the workbook is protected by a password")),
                0x0022 => is_1904 = u16_at(data, 0) == Some(1),
                0x041e => {
                    if let Some((number, text)) = u16_at(data, 0).zip(long_text(data, 2)) {
                        formats.insert(number, Shown::of(&text));
                    }
                }
                0x00e0 => cell_formats.push(u16_at(data, 2).unwrap_or_default()),
                0x0085 if data.get(5) == Some(&0) => {
                    let start = u32_at(data, 0).ok_or_else(damaged)?;
                    let name = short_text(data, 6).ok_or_else(damaged)?;
                    if sheets.len() == SHEETS {
                        return Err(refused(
                            "the workbook becomes too large when it is unpacked; send rows as CSV",
                        ));
                    }
                    sheets.push((name, start as usize));
                }
                0x00fc => {
                    texts = Texts::read(&record.pieces()).ok_or_else(damaged)?;
                }
                EOF => break,
                _ => {}
            }
        }
        let shown = cell_formats.into_iter().map(|format| {
            let own = formats.get(&format).copied();
            own.unwrap_or_else(|| Shown::builtin(format))
        });
        Ok(Self {
            sheets,
            texts,
            shown: shown.collect(),
            is_1904,
        })
    }

    /// A number as its cell shows it: dates are numbers.
    fn show(&self, value: f64, format: u16) -> String {
        let kind = match self.shown.get(usize::from(format)) {
            Some(Shown::Date) => ExcelDateTimeType::DateTime,
            Some(Shown::Duration) => ExcelDateTimeType::TimeDelta,
            Some(Shown::Number) | None => return number(value),
        };
        moment(ExcelDateTime::new(value, kind, self.is_1904))
    }
}

struct Cells<'w> {
    workbook: &'w Workbook,
    store: Store,
    /// A formula whose text is in the next record.
    formula: Option<(u16, u16)>,
}

impl Cells<'_> {
    fn take(&mut self, record: &Record<'_>) -> Result<()> {
        let data = record.data;
        if record.kind == 0x0207 {
            let text = long_text(data, 0);
            return match (self.formula.take(), text) {
                (Some((row, column)), Some(text)) => self.add(row, column, Tag::Text, &text),
                (Some(_), None) => Err(damaged()),
                (None, _) => Ok(()),
            };
        }
        if !matches!(
            record.kind,
            0x0203 | 0x027e | 0x00bd | 0x00fd | 0x0204 | 0x0205 | 0x0006
        ) {
            return Ok(());
        }
        self.cell(record).ok_or_else(damaged)?
    }

    fn cell(&mut self, record: &Record<'_>) -> Option<Result<()>> {
        let data = record.data;
        let (row, column) = (u16_at(data, 0)?, u16_at(data, 2)?);
        let format = u16_at(data, 4)?;
        Some(match record.kind {
            0x0203 => self.number(row, column, f64_at(data, 6)?, format),
            0x027e => self.number(row, column, compact(u32_at(data, 6)?), format),
            0x00bd => {
                let cells = data.get(4..data.len().checked_sub(2)?)?.chunks_exact(6);
                for (column, cell) in (column..).zip(cells) {
                    let value = compact(u32_at(cell, 2)?);
                    if let Err(error) = self.number(row, column, value, u16_at(cell, 0)?) {
                        return Some(Err(error));
                    }
                }
                Ok(())
            }
            0x00fd => {
                let workbook = self.workbook;
                let text = workbook.texts.get(u32_at(data, 6)? as usize)?;
                self.add(row, column, Tag::Text, text)
            }
            0x0204 => self.add(row, column, Tag::Text, &long_text(data, 6)?),
            0x0205 => self.truth_or_fault(row, column, *data.get(6)?, *data.get(7)?),
            _ => match data.get(6..14)? {
                [0, .., 0xff, 0xff] => {
                    self.formula = Some((row, column));
                    Ok(())
                }
                [1, _, value, .., 0xff, 0xff] => self.truth_or_fault(row, column, *value, 0),
                [2, _, value, .., 0xff, 0xff] => self.truth_or_fault(row, column, *value, 1),
                [.., 0xff, 0xff] => Ok(()),
                _ => self.number(row, column, f64_at(data, 6)?, format),
            },
        })
    }

    fn number(&mut self, row: u16, column: u16, value: f64, format: u16) -> Result<()> {
        let text = self.workbook.show(value, format);
        self.add(row, column, Tag::Exact, &text)
    }

    fn truth_or_fault(&mut self, row: u16, column: u16, value: u8, is_fault: u8) -> Result<()> {
        if is_fault == 0 {
            return self.add(row, column, Tag::Exact, truth(value != 0));
        }
        self.add(row, column, Tag::Failed, fault_of(value))
    }

    fn add(&mut self, row: u16, column: u16, tag: Tag, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.store.cell(row.into(), column.into(), tag, text)
    }
}

/// A number in 30 bits: a whole one, or the upper half of another, maybe of hundredths.
fn compact(bits: u32) -> f64 {
    let value = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { value } else { value / 100.0 }
}

fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    let low = u32_at(bytes, at)?;
    let high = u32_at(bytes, at + 4)?;
    Some(f64::from_bits(u64::from(high) << 32 | u64::from(low)))
}

/// One record.
struct Record<'a> {
    kind: u16,
    data: &'a [u8],
    /// All that follows it.
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its data and that of the records that continue it.
    fn pieces(&self) -> Vec<&'a [u8]> {
        let continued = Records { rest: self.rest };
        let continued = continued.take_while(|record| record.kind == CONTINUE);
        std::iter::once(self.data)
            .chain(continued.map(|record| record.data))
            .collect()
    }
}

struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    fn at(stream: &'a [u8], start: usize) -> Self {
        Self {
            rest: stream.get(start..).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let kind = u16_at(self.rest, 0)?;
        let end = 4 + usize::from(u16_at(self.rest, 2)?);
        let data = self.rest.get(4..end)?;
        self.rest = &self.rest[end..];
        Some(Record {
            kind,
            data,
            rest: self.rest,
        })
    }
}
