//! How much is loaded, with what, and where.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What to measure with, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Options {
    /// Our binary; without it only reading is measured.
    pub(super) server: Option<PathBuf>,
    /// A Python with moto and DuckDB.
    pub(super) python: PathBuf,
    /// A folder on a real disk.
    pub(super) disk: PathBuf,
    pub(super) amount: Amount,
}

/// How much is loaded, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Amount {
    /// Odd, so that the median is a run that took place.
    pub(super) rounds: usize,
    pub(super) rows: u64,
    /// For DynamoDB.
    pub(super) items: u64,
}

impl Amount {
    /// A minute or two: shows the direction, not the last digit.
    const QUICK: Self = Self {
        rounds: 1,
        rows: 200_000,
        items: 1_000,
    };
    /// What the goals are stated for.
    const FULL: Self = Self {
        rounds: 3,
        rows: 5_000_000,
        items: 20_000,
    };
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut server = None;
        let mut python = None;
        let mut disk = None;
        let mut amount = Amount::FULL;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || -> Result<PathBuf> {
                Ok(rest
                    .next()
                    .with_context(|| format!("`{argument}` needs a path"))?
                    .into())
            };
            match argument.as_str() {
                "--server" => server = Some(value()?),
                "--python" => python = Some(value()?),
                "--disk" => disk = Some(value()?),
                "--quick" => amount = Amount::QUICK,
                other => bail!("unknown argument `{other}`"),
            }
        }
        Ok(Self {
            server,
            python: python.context("`--python PROGRAM` is missing: one with moto and DuckDB")?,
            disk: disk.context("`--disk FOLDER` is missing: a folder on a real disk")?,
            amount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let full = parse("--python /p --disk /d --server /s").unwrap();
        assert_eq!(full.server, Some("/s".into()));
        assert_eq!(full.amount, Amount::FULL);
        assert_eq!(
            parse("--quick --python /p --disk /d").unwrap().amount,
            Amount::QUICK
        );
        assert!(parse("--disk /d").is_err());
        assert!(parse("--python /p").is_err());
        assert!(parse("--python /p --disk /d --fast").is_err());
        assert_eq!(Amount::FULL.rounds % 2, 1);
    }
}
