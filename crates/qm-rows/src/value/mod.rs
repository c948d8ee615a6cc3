//! Cells as their column's type.

mod decimal;
mod moment;

use jiff::tz::TimeZone;
use qm_core::config::{Column, ColumnType, DecimalMark};
use qm_core::{Error, Kind, Result};

use crate::Cell;
use crate::limits::CELL_BYTES;

/// What a file has in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    /// Nothing: the row ends early, or there is no such member.
    Missing,
    /// What somebody wrote.
    Text(&'a str),
    /// What a format with types of its own has: numbers with a point, dates as in ISO 8601.
    Exact(&'a str),
    /// What a sheet shows where a formula failed.
    Failed(&'a str),
}

impl<'a> Raw<'a> {
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Missing => None,
            Self::Text(text) | Self::Exact(text) | Self::Failed(text) => Some(text),
        }
    }
}

/// A value that outlives its row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Other(Cell<'static>),
}

impl Value {
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::Text(text),
            Self::Other(cell) => *cell,
        }
    }
}

/// How the cells of a column are read.
#[derive(Clone, Debug)]
pub(crate) enum ValueReader {
    Text,
    Integer,
    Decimal {
        mark: DecimalMark,
    },
    Boolean,
    Date {
        format: Option<String>,
    },
    Timestamp {
        format: Option<String>,
        zone: TimeZone,
    },
}

impl ValueReader {
    /// As declared. `Invalid` if there is no such zone or format.
    pub(crate) fn new(column: &Column, mark: DecimalMark) -> Result<Self> {
        let format = || -> Result<Option<String>> {
            column
                .format
                .as_deref()
                .map(|format| moment::check_format(format, &column.name))
                .transpose()
        };
        Ok(match column.kind {
            ColumnType::Text => Self::Text,
            ColumnType::Integer => Self::Integer,
            ColumnType::Decimal => Self::Decimal { mark },
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date { format: format()? },
            ColumnType::Timestamp => Self::Timestamp {
                format: format()?,
                zone: match &column.zone {
                    None => TimeZone::UTC,
                    Some(name) => TimeZone::get(name).map_err(|cause| {
                        Error::new(
                            Kind::Invalid,
                            format!("column {}: there is no time zone {name}", column.name),
                        )
                        .source(cause)
                    })?,
                },
            },
        })
    }

    /// The value; `Err` is the reason why it is none.
    pub(crate) fn read<'a>(&self, raw: Raw<'a>) -> Result<Cell<'a>, String> {
        let (text, is_exact) = match raw {
            Raw::Missing => return Ok(Cell::Null),
            Raw::Text(text) => (text, false),
            Raw::Exact(text) => (text, true),
            Raw::Failed(text) => {
                return Err(format!("{} is an error in the sheet", quoted(text)));
            }
        };
        if let Self::Text = self {
            return whole_text(text);
        }
        let text = text.trim_ascii();
        match self {
            Self::Text => Ok(Cell::Text(text)),
            Self::Integer => integer(text).map(Cell::Integer),
            Self::Decimal { mark } => {
                let mark = if is_exact { DecimalMark::Point } else { *mark };
                decimal::read(text, mark).map(Cell::Decimal)
            }
            Self::Boolean => boolean(text).map(Cell::Boolean),
            Self::Date { format } => {
                let format = format.as_deref().filter(|_| !is_exact);
                moment::date(text, format).map(Cell::Date)
            }
            Self::Timestamp { format, zone } => {
                let format = format.as_deref().filter(|_| !is_exact);
                moment::timestamp(text, format, zone).map(Cell::Timestamp)
            }
        }
    }

    /// True if there is nothing in it that the type could read.
    pub(crate) fn is_empty(&self, text: &str) -> bool {
        match self {
            Self::Text => text.is_empty(),
            Self::Integer
            | Self::Decimal { .. }
            | Self::Boolean
            | Self::Date { .. }
            | Self::Timestamp { .. } => text.trim_ascii().is_empty(),
        }
    }

    /// [`ValueReader::read`] of text that is not the file's.
    pub(crate) fn value(&self, text: &str) -> Result<Value, String> {
        Ok(match self.read(Raw::Text(text))? {
            Cell::Text(text) => Value::Text(text.to_owned()),
            Cell::Null => Value::Other(Cell::Null),
            Cell::Integer(value) => Value::Other(Cell::Integer(value)),
            Cell::Decimal(value) => Value::Other(Cell::Decimal(value)),
            Cell::Boolean(value) => Value::Other(Cell::Boolean(value)),
            Cell::Date(value) => Value::Other(Cell::Date(value)),
            Cell::Timestamp(value) => Value::Other(Cell::Timestamp(value)),
        })
    }
}

/// Whether a text of the declaration itself is a value of the column; `Err` is the reason why not.
pub fn check_constant(column: &Column, mark: DecimalMark, text: &str) -> Result<(), String> {
    let reader = ValueReader::new(column, mark);
    let reader = reader.map_err(|error| error.public_message().to_owned())?;
    reader.value(text).map(|_| ())
}

/// Kept as written. Databases have no NUL in text.
fn whole_text(text: &str) -> Result<Cell<'_>, String> {
    if text.len() > CELL_BYTES {
        return Err(format!(
            "longer than {} MiB, the most that a cell may have",
            CELL_BYTES / 1024 / 1024
        ));
    }
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err("has a NUL character, which text cannot have".to_owned());
    }
    Ok(Cell::Text(text))
}

fn integer(text: &str) -> Result<i64, String> {
    let (is_negative, digits) = sign(text.as_bytes());
    let fault = || {
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if is_number {
            format!(
                "{} is too large for an integer, which has 64 bits",
                quoted(text)
            )
        } else {
            format!("{} is not an integer", quoted(text))
        }
    };
    // 18 digits cannot overflow; more are counted with care.
    if digits.len() <= 18 {
        let mut value: i64 = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(fault());
            }
            value = value * 10 + i64::from(digit);
        }
        if digits.is_empty() {
            return Err(fault());
        }
        return Ok(if is_negative { -value } else { value });
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(fault());
        }
        let digit = i64::from(digit);
        let next = value.checked_mul(10).and_then(|tens| {
            if is_negative {
                tens.checked_sub(digit)
            } else {
                tens.checked_add(digit)
            }
        });
        value = next.ok_or_else(fault)?;
    }
    Ok(value)
}

/// Whether it begins with a minus, and what follows the sign.
fn sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        [..] => (false, bytes),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    const WORDS: [(&str, bool); 8] = [
        ("true", true),
        ("false", false),
        ("1", true),
        ("0", false),
        ("yes", true),
        ("no", false),
        ("y", true),
        ("n", false),
    ];
    WORDS
        .iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("{} is neither true nor false", quoted(text)))
}

/// Text of a file in a sentence: escaped, and not all of it.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let escaped = shown.chars().map(|character| match character {
        '"' | '\'' => character.to_string(),
        _ => character.escape_debug().to_string(),
    });
    format!("`{}`", escaped.collect::<String>())
}
