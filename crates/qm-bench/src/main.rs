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

mod amount;
mod bare_session;
mod bars;
mod client;
mod deliver;
mod files;
mod keys;
mod load;
mod many_clients;
mod measure;
mod options;
mod plan;
mod process;
mod report;
mod server;

use anyhow::{Result, bail};
use std::process::ExitCode;

use amount::Amount;
use options::Options;
use plan::Subject;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How far it is goes to the standard error, the tables to the standard output.
fn run(arguments: &[String]) -> Result<()> {
    let Some((subject, rest)) = arguments.split_first() else {
        bail!("what to measure is missing: front, store, deliver or load");
    };
    match subject.as_str() {
        "front" => transfers(Subject::Front, &Options::parse(rest)?),
        "store" => transfers(Subject::Store, &Options::parse(rest)?),
        "deliver" => deliver::run(&Options::parse(rest)?),
        "load" => load::run(&Options::parse(rest)?),
        other => bail!("`{other}` cannot be measured: front, store, deliver or load"),
    }
}

fn transfers(subject: Subject, options: &Options<Amount>) -> Result<()> {
    let results = measure::all(subject, options)?;
    let digest_seconds = measure::digest_seconds();
    println!(
        "{}",
        report::figures(subject, options.amount, digest_seconds, &results)
    );
    if options.server.is_some() {
        let verdicts = bars::judge(&results, options.amount.idle_sessions);
        println!("\n{}", report::verdicts(subject, &verdicts));
    }
    Ok(())
}
