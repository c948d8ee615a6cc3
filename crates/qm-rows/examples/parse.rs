//! How fast rows are read and typed, and nothing else: `cargo run --release -p qm-rows --example parse`.
//! Eight typed columns, as `cargo xtask bench load` has them.
#![expect(clippy::print_stdout, reason = "a program with a table")]

use qm_core::config::{Column, ColumnSource, ColumnType, Declaration};
use qm_rows::{Finish, Output, Rows, RowsFile};
use std::fmt::Write as _;
use std::time::Instant;

const COLUMNS: [(&str, ColumnType); 8] = [
    ("id", ColumnType::Integer),
    ("sku", ColumnType::Text),
    ("name", ColumnType::Text),
    ("price", ColumnType::Decimal),
    ("stock", ColumnType::Integer),
    ("active", ColumnType::Boolean),
    ("made", ColumnType::Date),
    ("changed", ColumnType::Timestamp),
];

fn file(rows: u32, quote: &str) -> String {
    let names = COLUMNS.map(|(name, _)| name);
    let mut text = names.join(",") + "\n";
    for at in 0..rows {
        let (day, minute) = (at % 28 + 1, at % 60);
        let _ = writeln!(
            text,
            "{at},SKU-{:08},{quote}A product with a name, number {at}{quote},{}.{:02},{},true,2026-11-{day:02},2026-11-{day:02}T17:{minute:02}:00.123Z",
            at % 99_991,
            at % 1000,
            at % 100,
            at % 5000
        );
    }
    if quote.is_empty() {
        text = text.replace("name, number", "name; number");
    }
    text
}

fn main() -> qm_core::Result<()> {
    let columns = COLUMNS.map(|(name, kind)| Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: false,
        default: None,
        format: None,
        zone: None,
    });
    let typed = Declaration {
        columns: columns.to_vec(),
        ..Declaration::default()
    };
    for (what, declaration, quote) in [
        ("typed", &typed, ""),
        ("typed, a column in quotes", &typed, "\""),
        ("text", &Declaration::default(), ""),
    ] {
        let text = file(1_000_000, quote);
        let best = (0..5)
            .map(|_| parse(&text, declaration))
            .collect::<qm_core::Result<Vec<f64>>>()?
            .into_iter()
            .fold(f64::MAX, f64::min);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let megabytes = text.len() as f64 / 1e6;
        println!("{what}: {:.0} MB/s", megabytes / best);
    }
    Ok(())
}

fn parse(text: &str, declaration: &Declaration) -> qm_core::Result<f64> {
    let started = Instant::now();
    let file = RowsFile {
        name: "a.csv",
        facts: None,
    };
    let mut rows = Rows::new(declaration, &[], &file)?;
    let mut output = Output::default();
    for piece in text.as_bytes().chunks(256 * 1024) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = rows.push(rest, &mut output)?;
            rest = &rest[taken..];
            if output.is_full() {
                output.clear();
            }
        }
    }
    while rows.finish(&mut output)? == Finish::More {
        output.clear();
    }
    assert_eq!((rows.read(), rows.rejected()), (1_000_000, 0));
    Ok(started.elapsed().as_secs_f64())
}
