//! What the program is asked for.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

use crate::plan::{CLIENTS, Subject};

/// What to measure, where, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Options {
    pub(crate) subject: Subject,
    /// Our binary; without it only who was there before us is measured.
    pub(crate) server: Option<PathBuf>,
    /// The S3 server, for what is asked about stores.
    pub(crate) gateway: Option<PathBuf>,
    /// A folder on a real disk.
    pub(crate) disk: PathBuf,
    /// How much.
    pub(crate) amount: Amount,
}

/// How much is moved, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    pub(crate) bulk_bytes: u64,
    pub(crate) small_files: u32,
    pub(crate) connects: u32,
    pub(crate) idle_sessions: u32,
    pub(crate) listed_names: u32,
    /// Odd, so that the median is a run that took place.
    pub(crate) rounds: usize,
}

impl Amount {
    /// A minute: shows the direction, not the last digit.
    const QUICK: Self = Self {
        bulk_bytes: 128 << 20,
        small_files: 500,
        connects: 50,
        idle_sessions: 50,
        listed_names: 5_000,
        rounds: 3,
    };
    /// What the goals are stated for.
    const FULL: Self = Self {
        bulk_bytes: 1 << 30,
        small_files: 2_000,
        connects: 200,
        idle_sessions: 200,
        listed_names: 100_000,
        rounds: 5,
    };

    /// What each of many clients moves: together it is the large file.
    pub(crate) fn share_bytes(self) -> u64 {
        self.bulk_bytes / u64::from(CLIENTS)
    }
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut subject = Subject::Front;
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
                "front" => subject = Subject::Front,
                "store" => subject = Subject::Store,
                "--gateway" => gateway = Some(value()?),
                "--server" => server = Some(value()?),
                "--disk" => disk = Some(value()?),
                "--quick" => amount = Amount::QUICK,
                other => bail!("unknown argument `{other}`"),
            }
        }
        Ok(Self {
            subject,
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
        let full = parse("--disk /d --server /s").unwrap();
        assert_eq!(full.server, Some("/s".into()));
        assert_eq!(full.amount, Amount::FULL);
        assert_eq!(full.subject, Subject::Front);
        let store = parse("store --gateway /g --disk /d").unwrap();
        assert_eq!(store.subject, Subject::Store);
        assert_eq!(store.gateway, Some("/g".into()));
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
