//! How much is delivered, with what, and where.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What to measure with, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Options {
    /// Our binary; without it only OpenSSH is measured.
    pub(super) server: Option<PathBuf>,
    /// The S3 server, for the bucket that nodes share.
    pub(super) gateway: Option<PathBuf>,
    /// A folder on a real disk.
    pub(super) disk: PathBuf,
    pub(super) amount: Amount,
}

/// How much is delivered, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Amount {
    /// Odd, so that the median is a run that took place.
    pub(super) rounds: usize,
    pub(super) bulk_bytes: u64,
    pub(super) small_files: u32,
    /// To a directory, to see how many a second.
    pub(super) drained: u32,
    /// Deliveries that wait in the short line and in the long one.
    pub(super) line: u32,
    pub(super) long_line: u32,
    /// Uploads to a node that has nothing else to do.
    pub(super) uploads: u32,
    /// To a destination that is far away.
    pub(super) far_files: u32,
}

impl Amount {
    /// Minutes: shows the direction, not the last digit.
    const QUICK: Self = Self {
        rounds: 1,
        bulk_bytes: 128 << 20,
        small_files: 500,
        drained: 2_000,
        line: 10_000,
        long_line: 100_000,
        uploads: 30,
        far_files: 100,
    };
    /// What the goals are stated for.
    const FULL: Self = Self {
        rounds: 3,
        bulk_bytes: 1 << 30,
        small_files: 1_000,
        drained: 10_000,
        line: 10_000,
        long_line: 1_000_000,
        uploads: 100,
        far_files: 400,
    };
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut server = None;
        let mut gateway = None;
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
                "--gateway" => gateway = Some(value()?),
                "--disk" => disk = Some(value()?),
                "--quick" => amount = Amount::QUICK,
                other => bail!("unknown argument `{other}`"),
            }
        }
        Ok(Self {
            server,
            gateway,
            disk: disk.context("`--disk FOLDER` is missing: a folder on a real disk")?,
            amount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn arguments() {
        let full = parse("--disk /d --server /s --gateway /g").unwrap();
        assert_eq!(full.server, Some("/s".into()));
        assert_eq!(full.gateway, Some("/g".into()));
        assert_eq!(full.amount, Amount::FULL);
        let quick = parse("--quick --disk /d").unwrap();
        assert_eq!(quick.server, None);
        assert_eq!(quick.amount, Amount::QUICK);
        assert!(parse("--quick").is_err());
        assert!(parse("--disk").is_err());
        assert!(parse("--disk /d --fast").is_err());
    }

    #[test]
    fn medians_are_runs_that_took_place() {
        for amount in [Amount::QUICK, Amount::FULL] {
            assert_eq!(amount.rounds % 2, 1);
        }
    }
}
