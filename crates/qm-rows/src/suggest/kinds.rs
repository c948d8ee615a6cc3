//! What the values of a column are, found by reading them as each in turn.

use qm_core::config::{Column, ColumnSource, ColumnType, DecimalMark, Declaration, RowFormat};

use crate::{Finish, Output, Rows, RowsFile};

/// What a column seems to be.
#[derive(Debug)]
pub(super) struct Guess {
    pub(super) kind: ColumnType,
    pub(super) format: Option<String>,
    /// What else it could be.
    pub(super) doubt: Option<String>,
}

/// How dates are written, the likeliest first; `None` for ISO 8601.
const DATES: [Option<&str>; 6] = [
    None,
    Some("%d.%m.%Y"),
    Some("%d/%m/%Y"),
    Some("%m/%d/%Y"),
    Some("%d-%m-%Y"),
    Some("%d %b %Y"),
];
/// How moments are written.
const TIMESTAMPS: [Option<&str>; 7] = [
    None,
    Some("%d.%m.%Y %H:%M:%S"),
    Some("%d.%m.%Y %H:%M"),
    Some("%d/%m/%Y %H:%M:%S"),
    Some("%d/%m/%Y %H:%M"),
    Some("%m/%d/%Y %H:%M:%S"),
    Some("%m/%d/%Y %H:%M"),
];

/// What all of the values are.
pub(super) fn kind_of(values: &[String], mark: DecimalMark) -> Guess {
    let text = Guess {
        kind: ColumnType::Text,
        format: None,
        doubt: None,
    };
    // Blanks around a value may mean something to somebody: only text keeps them.
    if values.is_empty() || values.iter().any(|value| value.trim() != value) {
        return text;
    }
    if values.iter().any(|value| is_code(value)) {
        return text;
    }
    let plain = |kind| Guess {
        kind,
        format: None,
        doubt: None,
    };
    for kind in [
        ColumnType::Integer,
        ColumnType::Decimal,
        ColumnType::Boolean,
    ] {
        if reads(values, kind, None, mark) {
            return plain(kind);
        }
    }
    for (kind, formats) in [
        (ColumnType::Date, DATES.as_slice()),
        (ColumnType::Timestamp, TIMESTAMPS.as_slice()),
    ] {
        let mut fitting = formats
            .iter()
            .filter(|format| reads(values, kind, **format, mark));
        if let Some(format) = fitting.next() {
            let doubt = fitting.next().copied().flatten();
            return Guess {
                kind,
                format: format.map(str::to_owned),
                doubt: doubt.map(|other| format!("`{other}` fits as well")),
            };
        }
    }
    text
}

/// True if all values are numbers with this mark, and there is one.
pub(super) fn is_number(values: &[String], mark: DecimalMark) -> bool {
    !values.is_empty()
        && values
            .iter()
            .all(|value| value.trim() == value && !is_code(value))
        && reads(values, ColumnType::Decimal, None, mark)
}

/// `007` is a name made of digits: as a number it would lose a part of itself.
fn is_code(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True if the reader takes all values as this kind.
fn reads(values: &[String], kind: ColumnType, format: Option<&str>, mark: DecimalMark) -> bool {
    let declaration = Declaration {
        format: Some(RowFormat::Csv),
        delimiter: Some(','),
        quote: Some('"'),
        decimal_mark: mark,
        columns: vec![Column {
            name: "value".to_owned(),
            source: ColumnSource::Header("value".to_owned()),
            kind,
            required: false,
            default: None,
            format: format.map(str::to_owned),
            zone: None,
        }],
        ..Declaration::default()
    };
    let mut file = b"value\n".to_vec();
    let mut read = || -> qm_core::Result<bool> {
        let about = RowsFile {
            name: "values.csv",
            facts: None,
        };
        let mut rows = Rows::new(&declaration, &[], &about)?;
        let mut output = Output::default();
        for value in values {
            file.push(b'"');
            file.extend(value.replace('"', "\"\"").bytes());
            file.extend(b"\"\n");
            let mut rest = file.as_slice();
            while !rest.is_empty() {
                let taken = rows.push(rest, &mut output)?;
                rest = rest.get(taken..).unwrap_or_default();
                output.clear();
            }
            file.clear();
            if rows.rejected() > 0 {
                return Ok(false);
            }
        }
        while rows.finish(&mut output)? == Finish::More {
            output.clear();
        }
        Ok(rows.rejected() == 0)
    };
    read().unwrap_or(false)
}
