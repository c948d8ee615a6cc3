//! The house's own commands, run as `cargo xtask NAME`. Nothing here is part of the product.
//!
//! - `tidy` holds the absences: what must not be in the tree is looked for, and found or not.
//! - `test` is the one way to run the tests; continuous integration runs the same.
//! - `ci` is everything that must pass before a change lands.
//! - `bench` measures the front beside OpenSSH, and over an S3 bucket beside rclone; deliveries and
//!   loads too.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command talks to a terminal"
)]

mod bench;
mod ci;
mod measured;
mod test;
mod tidy;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                          look for what must not be in the tree
  test [--offline] [FILTER…]    install the tests' peers, run all tests and recipes
       [--record]               keep what they count in docs/measured/kills.md
  ci                            fmt, tidy, clippy, test, docs
  bench [front] [--quick]       measure the SFTP front beside OpenSSH
  bench store [--quick]         measure it over an S3 bucket, beside rclone
  bench deliver [--quick]       measure deliveries, beside OpenSSH's sftp
  bench load [--quick]          measure loads into tables, beside psql and sqlite3
        [--reference-only]      the other one alone: what this machine gives
        [--only PART]           only what has this in its name
        [--record]              keep the table in docs/measured/";

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

fn run(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        bail!("no command\n\n{USAGE}");
    };
    let workspace = Workspace::find()?;
    match command.as_str() {
        "tidy" => without_arguments(rest).and_then(|()| tidy::run(&workspace)),
        "test" => test::run(&workspace, &test::Options::parse(rest)?),
        "ci" => without_arguments(rest).and_then(|()| ci::run(&workspace)),
        "bench" => bench::run(&workspace, &bench::Options::parse(rest)?),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

fn without_arguments(rest: &[String]) -> Result<()> {
    match rest {
        [] => Ok(()),
        [first, ..] => bail!("unexpected argument `{first}`\n\n{USAGE}"),
    }
}
