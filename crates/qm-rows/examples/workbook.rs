//! Checks the workbook at its standard input and tells what came of it and what memory it took: what
//! `tests/it/memory.rs` measures. `cargo run --release -p qm-rows --example workbook < FILE.xlsx`

use qm_core::config::Declaration;
use qm_rows::{Check, RowsFile};
use std::io::{Read as _, Write as _};

const PIECE_BYTES: usize = 256 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What a workbook is, its bytes say.
    let file = RowsFile {
        name: "a.xlsx",
        facts: None,
    };
    let mut check = Check::new(&Declaration::default(), &[], &file)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut from = std::io::stdin().lock();
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            break;
        }
        check.push(&piece[..read])?;
    }
    let report = check.finish()?;
    let said = match report.verdict() {
        Ok(()) => format!("{} rows", report.read),
        Err(error) => error.public_message().to_owned(),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{said}")?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
