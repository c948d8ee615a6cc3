//! Files in, rows out, by the public functions of the crate.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chunks;
mod csv;
mod excel;
mod formulas;
mod golden;
mod hostile;
mod json;
mod memory;
mod messages;
mod room;
mod types;

use qm_core::config::{Column, ColumnSource, ColumnType, Declaration};
use qm_rows::{Cell, Finish, Output, Reject, Rows, RowsFile};

/// What came of a file.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    columns: Option<Vec<String>>,
    /// Each row's number, and its cells as text.
    rows: Vec<(u64, Vec<String>)>,
    rejects: Vec<Reject>,
    read: u64,
    rejected: u64,
    error: Option<String>,
}

impl Outcome {
    fn texts(&self) -> Vec<String> {
        let rows = self.rows.iter();
        rows.map(|(_, cells)| cells.join("|")).collect()
    }

    fn sentences(&self) -> Vec<String> {
        self.rejects.iter().map(Reject::sentence).collect()
    }

    fn take(&mut self, output: &mut Output) {
        for row in output.batch.rows() {
            let cells = row.cells().map(show).collect();
            self.rows.push((row.number, cells));
        }
        self.rejects.append(&mut output.rejects);
        output.clear();
    }
}

/// A file to be read, and how.
struct File<'a> {
    declaration: Declaration,
    key: &'a [&'a str],
    name: &'a str,
}

impl File<'_> {
    fn read<'b>(&self, pieces: impl IntoIterator<Item = &'b [u8]>) -> Outcome {
        let mut read = Outcome::default();
        if let Err(error) = self.go(pieces, &mut read) {
            read.error = Some(error.public_message().to_owned());
        }
        read
    }

    fn go<'b>(
        &self,
        pieces: impl IntoIterator<Item = &'b [u8]>,
        read: &mut Outcome,
    ) -> qm_core::Result<()> {
        let key: Vec<String> = self.key.iter().map(|key| (*key).to_owned()).collect();
        let file = RowsFile {
            name: self.name,
            facts: None,
        };
        let mut rows = Rows::new(&self.declaration, &key, &file)?;
        let mut output = Output::default();
        let done = drive(&mut rows, pieces, &mut output, read);
        read.take(&mut output);
        read.columns = rows.columns().map(<[String]>::to_vec);
        (read.read, read.rejected) = (rows.read(), rows.rejected());
        done
    }
}

fn drive<'b>(
    rows: &mut Rows,
    pieces: impl IntoIterator<Item = &'b [u8]>,
    output: &mut Output,
    read: &mut Outcome,
) -> qm_core::Result<()> {
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = rows.push(rest, output)?;
            assert!(taken == rest.len() || output.is_full());
            rest = &rest[taken..];
            if output.is_full() {
                read.take(output);
            }
        }
    }
    loop {
        let finish = rows.finish(output)?;
        read.take(output);
        if finish == Finish::Done {
            return Ok(());
        }
    }
}

fn show(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Text(text) => format!("'{text}'"),
        Cell::Integer(value) => value.to_string(),
        Cell::Decimal(value) => format!("{}e-{}", value.mantissa, value.scale),
        Cell::Boolean(value) => value.to_string(),
        Cell::Date(value) => format!("day {value}"),
        Cell::Timestamp(value) => format!("at {value}"),
    }
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: false,
        default: None,
        format: None,
        zone: None,
    }
}

fn declared(columns: &[(&str, ColumnType)]) -> Declaration {
    Declaration {
        columns: columns
            .iter()
            .map(|(name, kind)| column(name, *kind))
            .collect(),
        ..Declaration::default()
    }
}

/// A file whose cells are text, by its name.
fn plain<'a>(name: &'a str, key: &'a [&'a str]) -> File<'a> {
    File {
        declaration: Declaration::default(),
        key,
        name,
    }
}
