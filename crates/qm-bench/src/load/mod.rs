//! Measures loads: how fast rows are read, and how fast they get into a table, beside what each
//! database has for it, on the same file, turn by turn. Ours is the whole node: a file is put into its
//! bucket, and the times are those of the delivery's attempt in the ledger.

mod amount;
mod dynamodb;
mod file;
mod moto;
mod parse;
mod postgres;
mod scene;
mod sqlite;

use anyhow::Result;

use crate::deliver::table::Table;
use amount::Amount;
use file::Rows;

type Options = crate::options::Options<Amount>;

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = crate::measure::temporary_folder(&options.disk)?;
    let rows = Rows::write(&folder.path().join("rows.csv"), options.amount.rows)?;
    eprintln!("{} rows, {} MiB", rows.count, rows.bytes >> 20);
    let mut table = Table::default();
    if options.wants("parse") {
        parse::measure(options, &rows, &mut table)?;
    }
    let Some(binary) = &options.server else {
        tell(options, &rows, &table);
        return Ok(());
    };
    if options.wants("postgres") {
        postgres::measure(options, binary, &rows, &mut table)?;
    }
    if options.wants("sqlite") {
        sqlite::measure(options, binary, &rows, &mut table)?;
    }
    if options.wants("dynamodb") {
        let few = Rows::write(&folder.path().join("few.csv"), options.amount.items)?;
        dynamodb::measure(options, binary, &few, &mut table)?;
    }
    tell(options, &rows, &table);
    Ok(())
}

fn tell(options: &Options, rows: &Rows, table: &Table) {
    println!("{}\n\n{}", about(options, rows), table.text());
}

fn about(options: &Options, rows: &Rows) -> String {
    format!(
        "{} rows of 7 columns, {} MiB; {} items for DynamoDB, of which moto makes the pace; medians of {} rounds, turn \
         by turn. Ours: from the attempt's beginning to its end, synced as shipped; memory: the most that the node \
         held above what it held at rest.",
        rows.count,
        rows.bytes >> 20,
        options.amount.items,
        options.amount.rounds
    )
}
