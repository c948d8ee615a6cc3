//! Measures the SFTP front, over folders beside OpenSSH's and over an S3 bucket beside rclone's, and
//! deliveries beside OpenSSH's `sftp`, and loads of tables beside each database's own tool:
//! the same client (OpenSSH's `sftp`), the same machine, the same run, turn by turn, medians. Absolute figures drift with the machine; the ratios are
//! what counts. A program with a table, never a test with a clock in it.
//!
//! `cargo xtask bench` builds the server and runs this.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's program talks to a terminal"
)]

mod bare_session;
mod bars;
mod client;
mod deliver;
mod files;
mod keys;
mod load;
mod measure;
mod options;
mod plan;
mod process;
mod report;
mod server;

use anyhow::Result;
use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((subject, rest)) if subject == "deliver" => deliver::run(rest),
        Some((subject, rest)) if subject == "load" => load::run(rest),
        Some(_) | None => Options::parse(&arguments).and_then(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let results = measure::all(options)?;
    println!("\n{}", report::figures(options, &results));
    if options.server.is_some() {
        println!(
            "\n{}",
            report::verdicts(
                options.subject,
                &bars::judge(&results, options.amount.idle_sessions)
            )
        );
    }
    Ok(())
}
