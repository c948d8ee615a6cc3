//! A first draft of a declaration, from the first rows of a file.

use qm_core::Result;
use qm_core::config::{
    Column, ColumnSource, ColumnType, DecimalMark, Declaration, Encoding, RowFormat,
};
use std::collections::HashSet;
use std::fmt::Write as _;

use crate::rows::format_of;
use crate::shape::refused;
use crate::value::{Raw, ValueReader};
use crate::{Cell, Finish, Output, Rows, RowsFile};

/// Rows that types are guessed from.
const ROWS: u64 = 10_000;
/// The longest name of a column: PostgreSQL cuts what is longer.
const NAME_BYTES: usize = 63;
/// How dates are written that are not as in ISO 8601, those first that exclude others.
const DATE_FORMATS: [&str; 6] = [
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d",
];
/// The same for moments.
const TIME_FORMATS: [&str; 6] = [
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
];

/// Whether the bytes are all of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Its beginning.
    Head,
    /// All of it; what workbooks need.
    Whole,
}

/// Writes a declaration `[declaration.NAME]` for files like this one, with what was seen as comments.
pub fn suggest(name: &str, file_name: &str, bytes: &[u8], part: Part) -> Result<String> {
    let format = format_of(file_name)?;
    let is_text = match format {
        RowFormat::Csv | RowFormat::Json => true,
        RowFormat::Xlsx | RowFormat::Xls => false,
    };
    if !is_text && part == Part::Head {
        return Err(refused("a workbook can only be read as a whole"));
    }
    let encoding = encoding(bytes, is_text);
    let declaration = Declaration {
        encoding,
        ..Declaration::default()
    };
    let file = RowsFile {
        name: file_name,
        facts: None,
    };
    let mut rows = Rows::new(&declaration, &[], &file)?;
    let mut guesses = Vec::new();
    let read = read(&mut rows, bytes, part, &mut guesses)?;
    let Some(columns) = rows.columns() else {
        return Err(refused("there are no rows to draft a declaration from"));
    };
    let delimiter = rows.delimiter().filter(|delimiter| *delimiter != ',');
    guesses.resize_with(columns.len(), Guess::default);
    Ok(draft(&Draft {
        name,
        file_name,
        format,
        encoding,
        delimiter,
        read,
        columns,
        guesses: &guesses,
    }))
}

fn read(rows: &mut Rows, bytes: &[u8], part: Part, guesses: &mut Vec<Guess>) -> Result<u64> {
    let mut output = Output::default();
    let mut rest = bytes;
    while !rest.is_empty() && rows.read() < ROWS {
        let taken = rows.push(rest, &mut output)?;
        rest = &rest[taken..];
        see(&mut output, guesses);
    }
    while part == Part::Whole && rows.read() < ROWS {
        let finish = rows.finish(&mut output)?;
        see(&mut output, guesses);
        if finish == Finish::Done {
            break;
        }
    }
    see(&mut output, guesses);
    Ok(rows.read())
}

fn see(output: &mut Output, guesses: &mut Vec<Guess>) {
    for row in output.batch.rows() {
        for (at, cell) in row.cells().enumerate() {
            if guesses.len() <= at {
                guesses.push(Guess::default());
            }
            match cell {
                Cell::Text(text) if !text.trim().is_empty() => guesses[at].see(text),
                Cell::Null
                | Cell::Text(_)
                | Cell::Integer(_)
                | Cell::Decimal(_)
                | Cell::Boolean(_)
                | Cell::Date(_)
                | Cell::Timestamp(_) => guesses[at].empty += 1,
            }
        }
    }
    output.clear();
}

/// Bytes that are no UTF-8 are most often Windows-1252. The last ones may be cut.
fn encoding(bytes: &[u8], is_text: bool) -> Encoding {
    let is_other = bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || bytes.starts_with(b"\x1f\x8b");
    match str::from_utf8(bytes) {
        Err(error) if is_text && !is_other && error.error_len().is_some() => Encoding::Latin1,
        Ok(_) | Err(_) => Encoding::Utf8,
    }
}

/// A way to read a column.
#[derive(Clone, Debug)]
struct Candidate {
    kind: ColumnType,
    format: Option<&'static str>,
    mark: DecimalMark,
    reader: ValueReader,
}

/// What a column may be, so far.
#[derive(Debug)]
struct Guess {
    candidates: Vec<Candidate>,
    seen: u64,
    empty: u64,
    /// While no value came twice.
    values: Option<HashSet<String>>,
}

impl Default for Guess {
    /// Everything but text, the narrowest first.
    fn default() -> Self {
        let candidate = |kind, format: Option<&'static str>, mark| {
            let column = Column {
                name: String::new(),
                source: ColumnSource::Header(String::new()),
                kind,
                required: false,
                default: None,
                format: format.map(str::to_owned),
                zone: None,
            };
            let reader = ValueReader::new(&column, mark).ok()?;
            Some(Candidate {
                kind,
                format,
                mark,
                reader,
            })
        };
        let plain = |kind| candidate(kind, None, DecimalMark::Point);
        let formats = |kind, formats: [&'static str; 6]| {
            formats
                .into_iter()
                .map(move |format| candidate(kind, Some(format), DecimalMark::Point))
        };
        let candidates = [
            plain(ColumnType::Integer),
            plain(ColumnType::Decimal),
            candidate(ColumnType::Decimal, None, DecimalMark::Comma),
            plain(ColumnType::Boolean),
            plain(ColumnType::Date),
            plain(ColumnType::Timestamp),
        ]
        .into_iter()
        .chain(formats(ColumnType::Date, DATE_FORMATS))
        .chain(formats(ColumnType::Timestamp, TIME_FORMATS))
        .flatten();
        Self {
            candidates: candidates.collect(),
            seen: 0,
            empty: 0,
            values: Some(HashSet::new()),
        }
    }
}

impl Guess {
    fn see(&mut self, text: &str) {
        self.seen += 1;
        // A code that begins with zeros would lose them.
        let digits = text.trim().trim_start_matches('-');
        let is_code = digits.len() > 1
            && digits.starts_with('0')
            && !digits.starts_with("0.")
            && !digits.starts_with("0,");
        self.candidates.retain(|candidate| {
            let is_number = matches!(candidate.kind, ColumnType::Integer | ColumnType::Decimal);
            !(is_number && is_code) && candidate.reader.read(Raw::Text(text)).is_ok()
        });
        let is_new = self
            .values
            .as_mut()
            .is_some_and(|values| values.insert(text.to_owned()));
        if !is_new {
            self.values = None;
        }
    }

    /// What every value can be read as; `None` for text.
    fn best(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|_| self.seen > 0)
    }

    fn is_key(&self) -> bool {
        self.seen > 0 && self.empty == 0 && self.values.is_some()
    }
}

struct Draft<'a> {
    name: &'a str,
    file_name: &'a str,
    format: RowFormat,
    encoding: Encoding,
    delimiter: Option<char>,
    read: u64,
    columns: &'a [String],
    guesses: &'a [Guess],
}

fn draft(draft: &Draft<'_>) -> String {
    let mut text = format!(
        "# A draft, from {} rows of {}: the types are guesses.\n[declaration.{}]\n",
        draft.read,
        draft.file_name.escape_debug(),
        toml_key(draft.name)
    );
    let format = match draft.format {
        RowFormat::Csv => "csv",
        RowFormat::Json => "json",
        RowFormat::Xlsx => "xlsx",
        RowFormat::Xls => "xls",
    };
    let _ = writeln!(text, "format = \"{format}\"");
    if draft.encoding == Encoding::Latin1 {
        text.push_str("encoding = \"latin-1\"\n");
    }
    if let Some(delimiter) = draft.delimiter {
        let _ = writeln!(text, "delimiter = {}", toml_text(&delimiter.to_string()));
    }
    let best = || draft.guesses.iter().filter_map(Guess::best);
    if best().any(|best| best.mark == DecimalMark::Comma) {
        text.push_str("decimal_mark = \",\"\n");
    }
    let key = draft.columns.iter().zip(draft.guesses);
    match key.clone().find(|(_, guess)| guess.is_key()) {
        Some((name, _)) => {
            let key = toml_text(&column_name(name));
            let _ = writeln!(
                text,
                "# The destination may have key = [{key}]: here it is never empty and never twice the same."
            );
        }
        None => {
            text.push_str("# No column is never empty and never twice the same: none is a key.\n")
        }
    }
    for (header, guess) in key {
        column(draft.name, header, guess, &mut text);
    }
    text
}

fn column(declaration: &str, header: &str, guess: &Guess, text: &mut String) {
    let name = column_name(header);
    let _ = writeln!(
        text,
        "\n[declaration.{}.column.{}]",
        toml_key(declaration),
        toml_key(&name)
    );
    if name != header {
        let _ = writeln!(text, "header = {}", toml_text(header));
    }
    match guess.best() {
        Some(best) => {
            let _ = writeln!(text, "type = \"{}\"", best.kind.as_str());
            if let Some(format) = best.format {
                let _ = writeln!(text, "format = {}", toml_text(format));
            }
        }
        None if guess.seen == 0 => text.push_str("type = \"text\" # always empty here\n"),
        None => text.push_str("type = \"text\"\n"),
    }
}

/// The header, as far as it can be a name.
fn column_name(header: &str) -> String {
    let mut name = String::new();
    for character in header.chars().filter(|c| !c.is_control()) {
        if name.len() + character.len_utf8() > NAME_BYTES {
            break;
        }
        name.push(character);
    }
    if name.trim().is_empty() {
        "unnamed".clone_into(&mut name);
    }
    name
}

fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    toml_text(name)
}

fn toml_text(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
