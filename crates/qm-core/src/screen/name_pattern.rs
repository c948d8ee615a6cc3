//! Patterns over file names.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::name::COMPONENT_BYTES_MAX;
use crate::pattern::Glob;
use crate::{Error, Kind, Result};

/// Longer expressions are mistakes.
const REGEX_BYTES_MAX: usize = 1024;
/// What a compiled expression may take: `\w{100}` fits, `(\w{100}){100}` does not.
const REGEX_COMPILED_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A pattern over file names, which must match the whole name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct NamePattern {
    written: Written,
    compiled: Compiled,
}

/// A pattern as the configuration has it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Glob(String),
    Regex(String),
}

#[derive(Clone, Debug)]
enum Compiled {
    Glob(Glob),
    Regex(Regex),
}

impl NamePattern {
    /// `*` for any text and `?` for any character, over the whole name.
    pub fn glob(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > COMPONENT_BYTES_MAX || text.contains(['/', '\\']) {
            return Err(Error::new(
                Kind::Invalid,
                format!("`{}` cannot match a file name", text.escape_debug()),
            )
            .help("it is about the name without its folders, of 1 to 255 bytes, as in `*.csv`"));
        }
        Ok(Self {
            written: Written::Glob(text.to_owned()),
            compiled: Compiled::Glob(Glob::parse(text)),
        })
    }

    /// A regular expression that must match the whole name.
    pub fn regex(text: &str) -> Result<Self> {
        if text.len() > REGEX_BYTES_MAX {
            return Err(Error::new(
                Kind::Invalid,
                "the regular expression is longer than 1,024 bytes",
            )
            .help("shorten it, or write several: one that matches is enough"));
        }
        // Alone first: `a)|(b` is none, though with something around it it would be one.
        let whole = compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z")));
        match whole {
            Ok(regex) => Ok(Self {
                written: Written::Regex(text.to_owned()),
                compiled: Compiled::Regex(regex),
            }),
            Err(cause) => Err(Error::new(
                Kind::Invalid,
                format!("`{}` is not a regular expression", text.escape_debug()),
            )
            .help("it is written as for Perl, without look-around and back-references")
            .source(cause)),
        }
    }

    /// True if it matches the whole name.
    pub fn matches(&self, file_name: &str) -> bool {
        match &self.compiled {
            Compiled::Glob(glob) => glob.matches(file_name),
            Compiled::Regex(regex) => regex.is_match(file_name),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        match &self.written {
            Written::Glob(text) | Written::Regex(text) => text,
        }
    }
}

/// `*.csv` or `/[a-z]+/`.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            Written::Glob(text) => f.write_str(text),
            Written::Regex(text) => write!(f, "/{text}/"),
        }
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for NamePattern {}

impl TryFrom<Written> for NamePattern {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Glob(text) => Self::glob(&text),
            Written::Regex(text) => Self::regex(&text),
        }
    }
}

impl From<NamePattern> for Written {
    fn from(pattern: NamePattern) -> Self {
        pattern.written
    }
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(REGEX_COMPILED_BYTES_MAX)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: Result<NamePattern>, matches: &[&str], others: &[&str]) {
        let pattern = pattern.unwrap();
        for name in matches {
            assert!(pattern.matches(name), "{pattern} {name}");
        }
        for name in others {
            assert!(!pattern.matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn globs() {
        check(
            NamePattern::glob("*.csv"),
            &["a.csv", ".csv", "a.csv.csv"],
            &["a.CSV", "a.csv.gpg", "acsv"],
        );
        check(
            NamePattern::glob("report-????.xls"),
            &["report-2026.xls", "report-caf\u{e9}.xls"],
            &["report-26.xls"],
        );
        check(NamePattern::glob("[a].csv"), &["[a].csv"], &["a.csv"]);
        for text in ["", "in/*.csv", "a\\b", &"x".repeat(256)] {
            assert!(NamePattern::glob(text).is_err(), "{text}");
        }
    }

    #[test]
    fn regular_expressions_match_the_whole_name() {
        check(
            NamePattern::regex(r"[a-z]+_\d{8}\.csv"),
            &["daily_20260308.csv"],
            &[
                "daily_20260308.csv.tmp",
                "xdaily_2026030.csv",
                "1daily_20260308.csv",
                "daily_20260308.csv\n",
            ],
        );
        check(NamePattern::regex("a|ab"), &["a", "ab"], &["abc", "b"]);
        check(NamePattern::regex("^a$"), &["a"], &["ba", "ab"]);
        check(NamePattern::regex("(?i)a.csv"), &["A.CSV"], &["A.CSVx"]);
        check(NamePattern::regex("(?m)^a$"), &["a"], &["a\nb"]);
        check(NamePattern::regex("(?x) a b"), &["ab"], &["a b", "abc"]);
        check(
            NamePattern::regex(r"\w{100}"),
            &[&"\u{ef}".repeat(100)],
            &["a"],
        );
        check(NamePattern::regex(r"\w+"), &["na\u{ef}ve"], &["a b"]);
        for text in [
            "(",
            "a)|(b",
            r"(?=a)",
            r"(\w{100}){100}",
            "(?x)a # b",
            &"a".repeat(1025),
        ] {
            assert_eq!(
                NamePattern::regex(text).unwrap_err().kind(),
                Kind::Invalid,
                "{text}"
            );
        }
    }

    #[test]
    fn hostile_names_get_an_answer() {
        let name = format!("{}!", "a".repeat(254));
        check(NamePattern::regex("(a+)+"), &[], &[&name]);
        check(NamePattern::regex("(a|a)*(a|a)*(a|a)*b"), &[], &[&name]);
        check(NamePattern::glob("*a*a*a*a*a*a*a*a*b"), &[], &[&name]);
    }

    #[test]
    fn a_revision_keeps_patterns_as_written() {
        for (pattern, json) in [
            (NamePattern::glob("*.csv"), r#"{"glob":"*.csv"}"#),
            (NamePattern::regex("a+"), r#"{"regex":"a+"}"#),
        ] {
            let pattern = pattern.unwrap();
            assert_eq!(serde_json::to_string(&pattern).unwrap(), json);
            assert_eq!(serde_json::from_str::<NamePattern>(json).unwrap(), pattern);
        }
        assert!(serde_json::from_str::<NamePattern>(r#"{"regex":"("}"#).is_err());
        assert_ne!(
            NamePattern::glob("a").unwrap(),
            NamePattern::regex("a").unwrap()
        );
    }
}
