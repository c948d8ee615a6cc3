//! Reading alone: bytes to typed cells, on one core.

use anyhow::{Context, Result, ensure};
use qm_core::config::{Column, ColumnSource, ColumnType, Declaration, RowFormat};
use qm_rows::{Finish, Output, RowsFile};
use std::fs::File;
use std::io::Read as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Options;
use super::file::Rows;
use crate::bars::{Bar, Verdict};
use crate::deliver::postgres::output;
use crate::deliver::table::{Table, middle};

/// What is read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// What a core should read a second.
const MEGABYTES: f64 = 200.0;

/// DuckDB on one core, to the same types; sums make it read every cell.
const DUCKDB: &str = "
import sys, time, duckdb
connection = duckdb.connect()
connection.execute('SET threads = 1')
connection.execute('SET enable_progress_bar = false')
began = time.perf_counter()
connection.execute('''
    SELECT count(*), sum(id), sum(price), sum(length(name)), sum(length(note)), count(in_stock), max(since), max(seen_at)
    FROM read_csv(?, header = true, columns = {'id': 'BIGINT', 'name': 'VARCHAR', 'price': 'DECIMAL(38, 2)',
        'in_stock': 'BOOLEAN', 'since': 'DATE', 'seen_at': 'TIMESTAMP', 'note': 'VARCHAR'})
''', [sys.argv[1]]).fetchall()
print(time.perf_counter() - began)
";

pub(super) fn measure(options: &Options, rows: &Rows, table: &mut Table) -> Result<()> {
    let (mut ours, mut plain, mut theirs, mut duck) = (vec![], vec![], vec![], vec![]);
    for _ in 0..options.amount.rounds {
        ours.push(read(&typed(), rows)?);
        plain.push(read(&Declaration::default(), rows)?);
        theirs.push(read_with_csv(rows)?);
        duck.push(read_with_duckdb(options, rows)?);
    }
    let (ours, plain, theirs, duck) = (middle(ours), middle(plain), middle(theirs), middle(duck));
    let beside = format!(
        "{:.0} MB/s the `csv` crate's loop, untyped; {:.0} MB/s DuckDB, typed",
        speed(rows, theirs),
        speed(rows, duck)
    );
    for (what, span) in [("typed", ours), ("all text", plain)] {
        table.add(
            format!("{:.0} MB/s", speed(rows, span)),
            beside.clone(),
            Verdict {
                what: format!("rows read, {what}"),
                measured: speed(rows, span),
                unit: " MB/s",
                bar: Bar::AtLeast(MEGABYTES),
            },
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn speed(rows: &Rows, span: Duration) -> f64 {
    rows.bytes as f64 / 1e6 / span.as_secs_f64()
}

fn read(declaration: &Declaration, rows: &Rows) -> Result<Duration> {
    let mut file = File::open(&rows.path)?;
    let mut piece = vec![0; PIECE_BYTES];
    let began = Instant::now();
    let about = RowsFile {
        name: "rows.csv",
        facts: None,
    };
    let mut reader = qm_rows::Rows::new(declaration, &[], &about).map_err(explained)?;
    let mut output = Output::default();
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        let mut rest = piece.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            let taken = reader.push(rest, &mut output).map_err(explained)?;
            rest = rest.get(taken..).unwrap_or_default();
            if output.is_full() {
                output.clear();
            }
        }
    }
    while reader.finish(&mut output).map_err(explained)? == Finish::More {
        output.clear();
    }
    let span = began.elapsed();
    ensure!(
        (reader.read(), reader.rejected()) == (rows.count, 0),
        "{} rows read, {} rejected",
        reader.read(),
        reader.rejected()
    );
    Ok(span)
}

fn read_with_csv(rows: &Rows) -> Result<Duration> {
    let file = File::open(&rows.path)?;
    let began = Instant::now();
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(PIECE_BYTES)
        .from_reader(file);
    let mut record = csv::ByteRecord::new();
    let (mut count, mut bytes) = (0, 0);
    while reader.read_byte_record(&mut record)? {
        count += 1;
        bytes += record.iter().map(<[u8]>::len).sum::<usize>();
    }
    let span = began.elapsed();
    ensure!(count == rows.count && bytes > 0, "{count} rows read");
    Ok(span)
}

fn read_with_duckdb(options: &Options, rows: &Rows) -> Result<Duration> {
    let mut python = Command::new(options.python()?);
    let printed = output(python.args(["-c", DUCKDB]).arg(&rows.path))?;
    let seconds: f64 = printed.trim().parse().context("DuckDB's seconds")?;
    Ok(Duration::from_secs_f64(seconds))
}

fn typed() -> Declaration {
    let column = |(name, kind): (&str, ColumnType)| Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: false,
        default: None,
        format: None,
        zone: None,
    };
    let columns = [
        ("id", ColumnType::Integer),
        ("name", ColumnType::Text),
        ("price", ColumnType::Decimal),
        ("in_stock", ColumnType::Boolean),
        ("since", ColumnType::Date),
        ("seen_at", ColumnType::Timestamp),
        ("note", ColumnType::Text),
    ];
    Declaration {
        format: Some(RowFormat::Csv),
        delimiter: Some(','),
        columns: columns.into_iter().map(column).collect(),
        ..Declaration::default()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn explained(error: qm_core::Error) -> anyhow::Error {
    anyhow::anyhow!("{}", error.chain())
}
