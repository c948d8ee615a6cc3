//! What the program is asked for, whatever it measures.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// How much is measured, and how often.
pub(crate) trait Amount: Copy {
    /// A minute or two: shows the direction, not the last digit.
    const QUICK: Self;
    /// What the goals are stated for.
    const FULL: Self;
}

/// What to measure with, where, and how much of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Options<A> {
    /// Our binary; without it only who was there before us is measured.
    pub(crate) server: Option<PathBuf>,
    gateway: Option<PathBuf>,
    python: Option<PathBuf>,
    /// A folder on a real disk.
    pub(crate) disk: PathBuf,
    pub(crate) amount: A,
    /// Only what has this in its name.
    only: Option<String>,
}

impl<A: Amount> Options<A> {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let (mut server, mut gateway, mut python) = (None, None, None);
        let mut disk: Option<PathBuf> = None;
        let mut amount = A::FULL;
        let mut only = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut word = || {
                let word = rest.next();
                word.with_context(|| format!("`{argument}` needs a value"))
            };
            match argument.as_str() {
                "--server" => server = Some(word()?.into()),
                "--gateway" => gateway = Some(word()?.into()),
                "--python" => python = Some(word()?.into()),
                "--disk" => disk = Some(word()?.into()),
                "--only" => only = Some(word()?.clone()),
                "--quick" => amount = A::QUICK,
                other => bail!("unknown argument `{other}`"),
            }
        }
        Ok(Self {
            server,
            gateway,
            python,
            disk: disk.context("`--disk FOLDER` is missing: a folder on a real disk")?,
            amount,
            only,
        })
    }

    /// True if the workload of that name is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|part| name.contains(part))
    }

    /// The S3 server below what is asked about stores.
    pub(crate) fn gateway(&self) -> Result<&Path> {
        let program = self.gateway.as_deref();
        program.context("`--gateway PROGRAM` is missing: an S3 server")
    }

    pub(crate) fn python(&self) -> Result<&Path> {
        let program = self.python.as_deref();
        program.context("`--python PROGRAM` is missing: one with moto and DuckDB")
    }

    #[cfg(test)]
    pub(crate) fn of(amount: A) -> Self {
        Self {
            server: None,
            gateway: None,
            python: None,
            disk: "/d".into(),
            amount,
            only: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Size {
        Small,
        Large,
    }

    impl Amount for Size {
        const QUICK: Self = Self::Small;
        const FULL: Self = Self::Large;
    }

    fn parse(text: &str) -> Result<Options<Size>> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn arguments() {
        let bare = parse("--disk /d").unwrap();
        assert_eq!(bare, Options::of(Size::Large));
        assert!(bare.gateway().is_err());
        assert!(bare.python().is_err());
        let all = parse("--quick --server /s --gateway /g --python /p --disk /d").unwrap();
        assert_eq!(all.server, Some("/s".into()));
        assert_eq!(all.gateway().unwrap(), Path::new("/g"));
        assert_eq!(all.python().unwrap(), Path::new("/p"));
        assert_eq!(all.amount, Size::Small);
        assert!(all.wants("bulk up, chacha20"));
        let some = parse("--disk /d --only chacha20").unwrap();
        assert!(some.wants("bulk up, chacha20") && !some.wants("connects"));
        assert!(parse("--quick").is_err());
        assert!(parse("--disk").is_err());
        assert!(parse("--disk /d --fast").is_err());
    }
}
