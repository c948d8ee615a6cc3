//! Measures deliveries: what goes out by SFTP beside OpenSSH's `sftp` to the same server, and what
//! the engine does a second over each ledger. Nodes find their files and make the deliveries while
//! every destination is shut, and deliver when they are started again; the times are the ledger's.

pub(crate) mod book;
mod configuration;
mod directory;
mod far;
mod idle;
mod latency;
pub(crate) mod node;
mod options;
pub(crate) mod postgres;
mod push;
mod scene;
pub(crate) mod table;

use anyhow::Result;

use options::Options;
use table::Table;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let mut table = Table::default();
    push::measure(&options, &mut table)?;
    if let Some(binary) = &options.server {
        far::measure_push(&options, binary, &mut table)?;
        far::measure_nodes(&options, binary, &mut table)?;
        idle::measure(&options, binary, &mut table)?;
        directory::measure_rate(&options, binary, &mut table)?;
        directory::measure_lines(&options, binary, &mut table)?;
        println!("\n{}\n\n{}", about(&options), table.text());
    }
    Ok(())
}

fn about(options: &Options) -> String {
    let amount = options.amount;
    format!(
        "large file: {} MiB; small files: {} of {} KiB, to OpenSSH's sshd on tmpfs; medians of {} \
         rounds, turn by turn. Ours: from the first attempt's beginning to the last one's end.",
        amount.bulk_bytes >> 20,
        amount.small_files,
        crate::plan::SMALL_FILE_BYTES >> 10,
        amount.rounds
    )
}
