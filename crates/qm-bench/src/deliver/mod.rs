//! Measures deliveries: what goes out by SFTP beside OpenSSH's `sftp` to the same server, and what
//! the engine does a second over each ledger. Nodes find their files and make the deliveries while
//! every destination is shut, and deliver when they are started again; the times are the ledger's.

mod amount;
pub(crate) mod book;
mod configuration;
mod directory;
mod far;
mod idle;
mod latency;
pub(crate) mod node;
pub(crate) mod postgres;
mod push;
mod scene;
pub(crate) mod table;

use anyhow::Result;
use std::path::Path;

use amount::Amount;
use table::Table;

type Options = crate::options::Options<Amount>;
type Part = fn(&Options, &Path, &mut Table) -> Result<()>;

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    if options.wants("push") {
        push::measure(options, &mut table)?;
    }
    let parts: [(&str, Part); 5] = [
        ("far", far::measure_push),
        ("nodes", far::measure_nodes),
        ("idle", idle::measure),
        ("rate", directory::measure_rate),
        ("lines", directory::measure_lines),
    ];
    if let Some(binary) = &options.server {
        for (_, measure) in parts.iter().filter(|(name, _)| options.wants(name)) {
            measure(options, binary, &mut table)?;
        }
        println!("{}\n\n{}", about(options), table.text());
    }
    Ok(())
}

fn about(options: &Options) -> String {
    let amount = options.amount;
    format!(
        "large file: {} MiB; small files: {} of {} KiB, to OpenSSH's sshd on tmpfs. Pushes to the \
         partner beside us: medians of {} rounds, turn by turn; every other line is of one run. Ours: \
         from the first attempt's beginning to the last one's end.",
        amount.bulk_bytes >> 20,
        amount.small_files,
        crate::plan::SMALL_FILE_BYTES >> 10,
        amount.rounds
    )
}
