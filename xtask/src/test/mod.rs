//! The one way to run the tests. What they need is installed first; a peer that cannot be had is
//! a failure, never a skip. `--offline` is the only way to leave the foreign peers out.

mod figures;
mod go;
mod peers;
mod python;
mod recipes;
mod stores;
mod totals;

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workspace::{self, Workspace};
use figures::Figures;
pub(crate) use peers::{install_database, install_rclone, install_servers, install_sqlite};
use totals::Totals;

/// What rows are read beside.
const DUCKDB: &str = "duckdb==2.0.0";

/// What was asked for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Options {
    /// Leave out what needs foreign peers.
    is_offline: bool,
    /// Only tests and recipes whose name contains one of these.
    filters: Vec<String>,
    /// Keep the figures.
    is_recorded: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--offline" => options.is_offline = true,
                "--record" => options.is_recorded = true,
                flag if flag.starts_with('-') => bail!("unknown option `{flag}` of test"),
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|f| name.contains(f.as_str()))
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let figures = Figures::new(&workspace.target)?;
    let mut environment = environment(workspace, options)?;
    environment.push(("QM_TEST_FIGURES", figures.file.clone().into()));
    let mut build = workspace.cargo();
    build.args(["build", "--package", "quaymaster"]);
    let totals = match workspace::run(&mut build) {
        Ok(()) => {
            let mut totals = run_cargo(workspace, options, &environment)?;
            totals.add(recipes::run(workspace, options, &environment)?);
            totals
        }
        Err(error) => {
            eprintln!("{error:#}");
            Totals::BROKEN
        }
    };
    if options.is_offline {
        announce_offline();
    }
    print!("\n{}", figures.list()?);
    if options.is_recorded && totals.failed == 0 {
        figures.record(workspace)?;
    }
    println!("\n{totals}");
    if totals.failed > 0 {
        bail!("{} failed", totals.failed);
    }
    if totals.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// The S3 server that the measuring program puts below what it measures.
pub(crate) fn install_gateway(target: &Path) -> Result<PathBuf> {
    let python = python::install(target)?;
    go::Go::install(&python)?.program(target, go::VERSITYGW)
}

/// A Python with AWS's services and DuckDB, for the measuring program.
pub(crate) fn install_python(target: &Path) -> Result<PathBuf> {
    let python = python::install(target)?;
    python::add(&python, &[DUCKDB]).context("installing DuckDB")?;
    Ok(python)
}

/// What tests and recipes are told: where the binary and the peers are.
fn environment(workspace: &Workspace, options: &Options) -> Result<Vec<(&'static str, OsString)>> {
    let mut environment = vec![("QUAYMASTER", workspace.binary().into())];
    if options.is_offline {
        announce_offline();
        environment.push(("QM_TEST_OFFLINE", "1".into()));
    } else {
        peers::install()?;
        let python = python::install(&workspace.target)?;
        let go = go::Go::install(&python)?;
        let gateway = go.program(&workspace.target, go::VERSITYGW)?;
        environment.push(("QM_TEST_VERSITYGW", gateway.into()));
        environment.extend(stores::install(&workspace.target, &python, &go)?);
        environment.push(("QM_TEST_PYTHON", python.into()));
        // Never those of whoever runs the tests, and nobody asks a cloud for others.
        environment.push(("AWS_ACCESS_KEY_ID", "testing".into()));
        environment.push(("AWS_SECRET_ACCESS_KEY", "testing".into()));
        environment.push(("AWS_EC2_METADATA_DISABLED", "true".into()));
    }
    Ok(environment)
}

fn announce_offline() {
    println!("OFFLINE: tests named `foreign_*` and all recipes are LEFT OUT; this proves less");
}

fn run_cargo(
    workspace: &Workspace,
    options: &Options,
    environment: &[(&'static str, OsString)],
) -> Result<Totals> {
    let mut command = workspace.cargo();
    if workspace::succeeds(workspace.cargo().args(["nextest", "--version"])) {
        command.args(["nextest", "run"]);
    } else {
        command.arg("test");
    }
    command
        // Stores that are off by default are tested all the same.
        .args([
            "--workspace",
            "--features",
            "quaymaster/gcs,quaymaster/azure",
        ])
        .args(["--no-fail-fast", "--"])
        .args(&options.filters);
    if options.is_offline {
        command.args(["--skip", "foreign_"]);
    } else {
        command.env_remove("QM_TEST_OFFLINE");
    }
    command
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("CARGO_TERM_COLOR", "never");
    stream(&mut command)
}

/// Shows every line as it comes and sums the results.
fn stream(command: &mut Command) -> Result<Totals> {
    let line = workspace::shown(command);
    println!("$ {line}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{line}`"))?;
    let errors = child.stderr.take().context("stderr was asked for")?;
    let output = child.stdout.take().context("stdout was asked for")?;
    let side = std::thread::spawn(move || follow(errors, |line| eprintln!("{line}")));
    let mut totals = follow(output, |line| println!("{line}"))?;
    match side.join() {
        Ok(more) => totals.add(more?),
        Err(_) => bail!("the thread that reads the tests' errors panicked"),
    }
    let status = child.wait()?;
    if !status.success() && totals.failed == 0 {
        println!("the run itself failed ({status}): it did not compile, or a test ended it");
        totals.add(Totals::BROKEN);
    }
    Ok(totals)
}

fn follow(stream: impl Read, show: impl Fn(&str)) -> Result<Totals> {
    let mut totals = Totals::default();
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    // Tests may print bytes that are not text; they must not end the run.
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        show(line);
        if let Some(found) = Totals::parse(line) {
            totals.add(found);
        }
        bytes.clear();
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments() {
        let options = Options::parse(&words("--offline rename listing")).unwrap();
        assert_eq!(
            options,
            Options {
                is_offline: true,
                filters: words("rename listing"),
                is_recorded: false,
            }
        );
        assert!(options.wants("it::rename_refuses"));
        assert!(!options.wants("login"));
        assert!(Options::default().wants("anything"));
        assert!(Options::parse(&words("--ofline")).is_err());
    }

    #[test]
    fn results_are_summed_from_both_streams() {
        let script = "echo 'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured'; \
                      printf 'test result: FAILED. 3 passed; 1 failed; 0 ignored\\377\\n' >&2; \
                      exit 101";
        let totals = stream(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(totals.to_string(), "5 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_run_that_breaks_is_a_failure() {
        let totals = stream(Command::new("sh").args(["-c", "echo hello; exit 101"])).unwrap();
        assert_eq!(totals.to_string(), "0 passed, 1 failed");
        assert!(stream(&mut Command::new("/nonexistent/program")).is_err());
    }
}
