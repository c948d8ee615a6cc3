//! The binary: command line, configuration files, wiring, signals. It sees everything and decides
//! nothing.
#![expect(clippy::print_stdout, reason = "a program for the terminal prints")]

mod allocator;
mod cli;
mod config;
mod demo;
mod node;
mod system;

use clap::Parser as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let command_line = cli::CommandLine::parse();
    if command_line.is_server() {
        allocator::settle();
    }
    run(command_line)
}

#[tokio::main]
async fn run(command_line: cli::CommandLine) -> ExitCode {
    let filter = EnvFilter::try_from_env("QUAYMASTER_LOG")
        .unwrap_or_else(|_| EnvFilter::new(command_line.log_level()));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match command_line.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_error(&error);
            if error.is::<cli::Interrupted>() {
                ExitCode::from(cli::Interrupted::EXIT_CODE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "errors of a program for the terminal go there"
)]
fn eprint_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
