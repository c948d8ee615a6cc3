//! Measures loads: how fast rows are read, and how fast they get into a table, beside what each
//! database has for it, on the same file, turn by turn. Ours is the whole node: a file is put into its
//! bucket, and the times are those of the delivery's attempt in the ledger.

mod dynamodb;
mod file;
mod moto;
mod options;
mod parse;
mod postgres;
mod scene;
mod sqlite;

use anyhow::Result;

use crate::deliver::table::Table;
use file::Rows;
use options::Options;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let folder = crate::measure::temporary_folder(&options.disk)?;
    let rows = Rows::write(&folder.path().join("rows.csv"), options.amount.rows)?;
    println!("{} rows, {} MiB", rows.count, rows.bytes >> 20);
    let mut table = Table::default();
    parse::measure(&options, &rows, &mut table)?;
    if let Some(binary) = &options.server {
        postgres::measure(&options, binary, &rows, &mut table)?;
        sqlite::measure(&options, binary, &rows, &mut table)?;
        let few = Rows::write(&folder.path().join("few.csv"), options.amount.items)?;
        dynamodb::measure(&options, binary, &few, &mut table)?;
    }
    println!("\n{}\n\n{}", about(&options, &rows), table.text());
    Ok(())
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
