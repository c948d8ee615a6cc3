//! A draft of a declaration, from the beginning of a file. What a column is, is tried with the reader
//! that loads: a draft never promises what a load would then reject.

mod kinds;

use flate2::read::MultiGzDecoder;
use qm_core::config::{Column, ColumnSource, ColumnType, DecimalMark, Declaration, Encoding};
use qm_core::{Error, Kind, Result};
use std::collections::HashSet;
use std::io::Read as _;

use crate::{Cell, Finish, Output, Rows, RowsFile, is_workbook};
use kinds::{Guess, kind_of};

/// So many rows are looked at: enough to meet a rare value, few enough to answer at once.
const ROWS_MAX: usize = 20_000;
/// So much of a compressed file is looked at.
const UNPACKED_MAX: u64 = 32 * 1024 * 1024;

/// How much of a file there is to look at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sample {
    /// All of it.
    Whole,
    /// Its beginning.
    Beginning,
}

/// What columns of the draft are called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Naming {
    /// As SQL likes names: `price_usd`.
    Sql,
    /// As the file calls them.
    Verbatim,
}

/// A draft of a declaration.
#[derive(Clone, Debug)]
pub struct Suggestion {
    /// What the rows seem to be.
    pub declaration: Declaration,
    /// A column that is never empty and never twice the same, by its name in the table.
    pub key: Option<String>,
    /// What to look at, for columns where something else is as likely.
    pub doubts: Vec<(String, String)>,
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows of them with too many or too few cells, or an error of a sheet.
    pub rejected: u64,
    /// What was looked at.
    pub sample: Sample,
}

/// The values of a column that was looked at.
#[derive(Debug, Default)]
struct Values {
    filled: Vec<String>,
    has_empty: bool,
}

/// Looks at a file, or its beginning, and says what its rows seem to be. Of a workbook, at the sheet of
/// that name, the first if none is named.
pub fn suggest(
    name: &str,
    bytes: &[u8],
    sample: Sample,
    naming: Naming,
    sheet: Option<&str>,
) -> Result<Suggestion> {
    let (unpacked, sample) = unpacked(bytes, sample);
    let as_text = Declaration {
        encoding: encoding_of(unpacked.as_deref().unwrap_or(bytes)),
        sheet: sheet.map(str::to_owned),
        ..Declaration::default()
    };
    if sheet.is_some() && !is_workbook(&as_text, name) {
        return Err(Error::new(
            Kind::Invalid,
            "a sheet is named, and only Excel has one",
        ));
    }
    let looked_at = look(name, &as_text, bytes, sample)?;
    let mark = mark_of(&looked_at.columns);
    let mut names = HashSet::new();
    let mut columns = Vec::new();
    let mut doubts = Vec::new();
    let mut key = None;
    for (header, values) in looked_at.headers.iter().zip(&looked_at.columns) {
        let name = unused(&named(header, naming), &mut names);
        let Guess {
            kind,
            format,
            doubt,
        } = kind_of(&values.filled, mark);
        if let Some(doubt) = doubt {
            doubts.push((name.clone(), doubt));
        }
        let is_key = key.is_none() && is_unique(values, kind);
        if is_key {
            key = Some(name.clone());
        }
        columns.push(Column {
            name,
            source: ColumnSource::Header(header.clone()),
            kind,
            required: is_key,
            default: None,
            format,
            zone: None,
        });
    }
    Ok(Suggestion {
        declaration: Declaration {
            decimal_mark: mark,
            columns,
            ..as_text
        },
        key,
        doubts,
        rows: looked_at.rows,
        rejected: looked_at.rejected,
        sample: looked_at.sample,
    })
}

/// What is in a compressed file, as far as it goes.
fn unpacked(bytes: &[u8], sample: Sample) -> (Option<Vec<u8>>, Sample) {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return (None, sample);
    }
    let mut text = Vec::new();
    // One that was cut ends with an error, and what came before is there.
    let read = MultiGzDecoder::new(bytes)
        .take(UNPACKED_MAX)
        .read_to_end(&mut text);
    let is_all = read.is_ok_and(|length| u64::try_from(length).is_ok_and(|l| l < UNPACKED_MAX));
    let sample = if is_all { sample } else { Sample::Beginning };
    (Some(text), sample)
}

fn encoding_of(bytes: &[u8]) -> Encoding {
    let has_mark = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    // Workbooks say themselves how their text is encoded.
    let is_workbook = bytes.starts_with(b"PK") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]);
    if has_mark || is_workbook {
        return Encoding::Utf8;
    }
    if bytes
        .iter()
        .skip(1)
        .step_by(2)
        .take(64)
        .filter(|byte| **byte == 0)
        .count()
        > 8
    {
        return Encoding::Utf16;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Encoding::Utf8,
        // A character that the sample cuts off.
        Err(error) if error.error_len().is_none() => Encoding::Utf8,
        Err(_) => Encoding::Latin1,
    }
}

struct LookedAt {
    headers: Vec<String>,
    columns: Vec<Values>,
    rows: u64,
    rejected: u64,
    sample: Sample,
}

fn look(name: &str, declaration: &Declaration, bytes: &[u8], sample: Sample) -> Result<LookedAt> {
    let mut rows = Rows::new(declaration, &[], &RowsFile { name, facts: None })?;
    let mut output = Output::default();
    let mut columns: Vec<Values> = Vec::new();
    let mut sample = sample;
    let mut rest = bytes;
    let mut is_open = true;
    while is_open {
        if rest.is_empty() {
            // Its last row is only a part of one.
            if sample == Sample::Beginning {
                is_open = false;
            } else {
                is_open = rows.finish(&mut output)? == Finish::More;
            }
        } else {
            let taken = rows.push(rest, &mut output)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        for row in output.batch.rows() {
            for (index, cell) in row.cells().enumerate() {
                if columns.len() <= index {
                    columns.resize_with(index + 1, Values::default);
                }
                match cell {
                    Cell::Text(text) if !text.trim().is_empty() => {
                        columns[index].filled.push(text.to_owned());
                    }
                    Cell::Text(_)
                    | Cell::Null
                    | Cell::Integer(_)
                    | Cell::Decimal(_)
                    | Cell::Boolean(_)
                    | Cell::Date(_)
                    | Cell::Timestamp(_) => columns[index].has_empty = true,
                }
            }
        }
        output.clear();
        let seen = usize::try_from(rows.read()).unwrap_or(usize::MAX);
        if is_open && seen >= ROWS_MAX {
            sample = Sample::Beginning;
            is_open = false;
        }
    }
    let headers: Vec<String> = rows.columns().unwrap_or_default().to_vec();
    columns.resize_with(headers.len(), Values::default);
    Ok(LookedAt {
        headers,
        columns,
        rows: rows.read(),
        rejected: rows.rejected(),
        sample,
    })
}

/// A comma, if some column is a number with it and none only with a point.
fn mark_of(columns: &[Values]) -> DecimalMark {
    let only = |mark: DecimalMark, other: DecimalMark| {
        columns.iter().any(|values| {
            kinds::is_number(&values.filled, mark) && !kinds::is_number(&values.filled, other)
        })
    };
    if only(DecimalMark::Comma, DecimalMark::Point) && !only(DecimalMark::Point, DecimalMark::Comma)
    {
        DecimalMark::Comma
    } else {
        DecimalMark::Point
    }
}

/// Prices and flags are not what makes a row the same row.
fn is_unique(values: &Values, kind: ColumnType) -> bool {
    match kind {
        ColumnType::Text | ColumnType::Integer => {}
        ColumnType::Decimal | ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => {
            return false;
        }
    }
    let mut seen = HashSet::new();
    !values.has_empty
        && values.filled.len() > 1
        && values
            .filled
            .iter()
            .all(|value| seen.insert(value.as_str()))
}

fn named(header: &str, naming: Naming) -> String {
    match naming {
        Naming::Verbatim => header.to_owned(),
        Naming::Sql => {
            let mut name = String::new();
            let mut was_lower = false;
            for c in header.chars() {
                if c.is_alphanumeric() {
                    // `SellerID` is two words, `ID` is one.
                    if c.is_uppercase() && was_lower {
                        name.push('_');
                    }
                    was_lower = c.is_lowercase() || c.is_numeric();
                    name.extend(c.to_lowercase());
                } else {
                    was_lower = false;
                    if !name.is_empty() && !name.ends_with('_') {
                        name.push('_');
                    }
                }
            }
            let name = name.trim_end_matches('_');
            match name.chars().next() {
                None => "column".to_owned(),
                Some(first) if first.is_numeric() => format!("column_{name}"),
                Some(_) => name.to_owned(),
            }
        }
    }
}

/// Names that become the same are numbered.
fn unused(name: &str, used: &mut HashSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !used.insert(candidate.to_lowercase()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests;
