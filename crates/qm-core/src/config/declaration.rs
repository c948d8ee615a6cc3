//! `[declaration.NAME]`: what the rows of a file are. The same declaration reads a file into a table,
//! screens an upload, and is what `quaymaster table check` holds a file against.

use serde::{Deserialize, Serialize};

use crate::template::Template;

/// What the rows of a file are.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Declaration {
    /// How rows are written; `None`: as the file's extension says.
    pub format: Option<RowFormat>,
    /// How text is encoded.
    pub encoding: Encoding,
    /// CSV: what is between cells; `None`: detected in the header row.
    pub delimiter: Option<char>,
    /// CSV: what is around cells.
    pub quote: Option<char>,
    /// Excel: the sheet; `None` for the first.
    pub sheet: Option<String>,
    /// What is between whole and fraction of a decimal number.
    pub decimal_mark: DecimalMark,
    /// The columns; none: every cell is text, under the name its header gives it.
    pub columns: Vec<Column>,
    /// What happens to columns of the file that are not declared.
    pub others: OtherColumns,
    /// Above this a file is refused as a whole; `None`: however many rows are rejected, the others
    /// count.
    pub max_rejected: Option<MaxRejected>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum RowFormat {
    /// RFC 4180.
    Csv,
    /// An array of objects, or one object after another (NDJSON).
    Json,
    /// Office Open XML.
    Xlsx,
    /// The format of Excel 97.
    Xls,
}

/// How text is encoded. A byte-order mark is dropped; that of UTF-16 counts before anything said here.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Encoding {
    /// UTF-8; UTF-16 if it has a byte-order mark.
    #[default]
    Utf8,
    /// UTF-16, little-endian unless a byte-order mark says otherwise.
    Utf16,
    /// Windows-1252, of which ISO 8859-1 is a part.
    Latin1,
}

/// What is between whole and fraction.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum DecimalMark {
    /// `1234.5`
    #[default]
    Point,
    /// `1234,5`
    Comma,
}

/// A column of the table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// Where its values come from.
    pub source: ColumnSource,
    /// What they are.
    pub kind: ColumnType,
    /// A row without it is rejected.
    pub required: bool,
    /// What an empty or missing cell stands for, as the file would write it; `None` for null.
    pub default: Option<String>,
    /// Dates and timestamps: how they are written, as in `strptime`; `None` for ISO 8601.
    pub format: Option<String>,
    /// Timestamps without offset: the IANA zone they are in; `None` for UTC.
    pub zone: Option<String>,
}

/// Where a column's values come from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ColumnSource {
    /// The column of the file with this header, or the member of this name.
    Header(String),
    /// The same for all rows of a file: a constant, or what placeholders say of it.
    Fixed(Template),
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ColumnType {
    /// Kept as written, blanks and all.
    Text,
    /// 64 bits with sign.
    Integer,
    /// Up to 38 digits, kept exactly.
    Decimal,
    /// `true`, `yes`, `y`, `1` and their opposites, in any case.
    Boolean,
    /// A day.
    Date,
    /// A moment, to the microsecond.
    Timestamp,
}

impl ColumnType {
    /// All, with the word that the configuration has for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("decimal", Self::Decimal),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("timestamp", Self::Timestamp),
    ];

    /// As written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }
}

/// What happens to columns of the file that are not declared.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum OtherColumns {
    /// They are left out.
    #[default]
    Ignore,
    /// The file is refused.
    Refuse,
}

/// How many rejected rows are too many.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum MaxRejected {
    /// More than so many.
    Rows(u64),
    /// More than so many of a hundred.
    Percent(u8),
}
