//! Into SQLite, beside its shell's `.import` into a table of the same columns and the same key.

use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Options;
use super::file::Rows;
use super::postgres::add;
use super::scene;
use crate::deliver::postgres::output;
use crate::deliver::table::Table;
use crate::measure::temporary_folder;

/// Of the shell's rate.
const RATE: f64 = 1.5;

pub(super) fn measure(
    options: &Options,
    binary: &Path,
    rows: &Rows,
    table: &mut Table,
) -> Result<()> {
    for (what, lines) in [
        ("rows added", "mode = \"append\""),
        ("rows upserted", "key = [\"id\"]"),
    ] {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..options.amount.rounds {
            let folder = temporary_folder(&options.disk)?;
            let file = folder.path().join("ours.sqlite");
            let lines = format!("kind = \"sqlite\"\npath = \"{}\"\n{lines}", file.display());
            ours.push(scene::load(binary, &options.disk, rows, &lines, None)?);
            theirs.push(import(&file, &folder.path().join("theirs.sqlite"), rows)?);
        }
        add(
            table,
            &format!("SQLite, {what}"),
            "sqlite3 .import",
            RATE,
            rows,
            &ours,
            theirs,
        );
    }
    Ok(())
}

fn import(like: &Path, into: &Path, rows: &Rows) -> Result<Duration> {
    let schema = shell(like, &[".schema rows"])?;
    shell(into, &[&schema])?;
    let import = format!(".import --csv --skip 1 \"{}\" rows", rows.path.display());
    let began = Instant::now();
    shell(into, &[&import])?;
    let span = began.elapsed();
    let count = shell(into, &["SELECT count(*) FROM rows"])?;
    ensure!(
        count.trim() == rows.count.to_string(),
        "sqlite3 imported {count} rows"
    );
    Ok(span)
}

fn shell(database: &Path, commands: &[&str]) -> Result<String> {
    output(
        Command::new("sqlite3")
            .arg("-batch")
            .arg(database)
            .args(commands),
    )
}
