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
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

/// Where the AWS SDK would log requests and answers whole: files, rows, and passwords of looked-up
/// items. Whatever `QUAYMASTER_LOG` says, nobody hears it.
const NEVER_LOGGED: [&str; 3] = [
    "aws_runtime::content_encoding",
    "aws_sigv4",
    "aws_smithy_runtime::client::orchestrator",
];

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
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter_fn(|of| is_logged(of.target())));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
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

fn is_logged(target: &str) -> bool {
    !NEVER_LOGGED.iter().any(|never| target.starts_with(never))
}

#[expect(
    clippy::print_stderr,
    reason = "errors of a program for the terminal go there"
)]
fn eprint_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sdk_would_log_whole_is_not_logged() {
        for (target, expect) in [
            ("aws_runtime::content_encoding::body::http_body_1_x", false),
            ("aws_sigv4::http_request::sign", false),
            ("aws_smithy_runtime::client::orchestrator", false),
            ("aws_smithy_runtime::client::orchestrator::http", false),
            ("aws_smithy_runtime::client::retries::strategy", true),
            ("qm_sftp::server", true),
        ] {
            assert_eq!(is_logged(target), expect, "{target}");
        }
    }
}
