//! The step `screen`: what is checked of an object before anything of it is sent.

mod name_pattern;

use serde::{Deserialize, Serialize};

use crate::file_type::{FileType, listed};
use crate::template::Template;
use crate::{Error, Kind, Result};

pub use name_pattern::NamePattern;

/// What an object must be to be sent. The default lets everything through.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Screen {
    /// Its file name must match one of these; empty for any.
    pub names: Vec<NamePattern>,
    /// It must be of one of these types, by extension and by content; `None` for any.
    pub types: Option<Vec<FileType>>,
    /// It must have so many bytes.
    pub min_size_bytes: u64,
    /// And no more; `None` for any number.
    pub max_size_bytes: Option<u64>,
    /// Where in its bucket a rejected object goes; `None` to leave it where it is.
    pub quarantine: Option<Template>,
}

impl Screen {
    /// True if it checks nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what is known without the bytes: name, extension and size. `Refused` with a sentence
    /// that names the rule.
    pub fn check_name_and_size(&self, file_name: &str, size_bytes: u64) -> Result<()> {
        let is_named = self.names.iter().any(|pattern| pattern.matches(file_name));
        if !is_named && !self.names.is_empty() {
            let names: Vec<String> = self.names.iter().map(NamePattern::to_string).collect();
            let sentence = format!("the file's name does not match {}", names.join(" or "));
            return Err(rejected(sentence, "names"));
        }
        if let Some(types) = &self.types
            && !FileType::of(file_name).is_some_and(|found| types.contains(&found))
        {
            let sentence = format!("only files of type {} are sent", listed(types));
            return Err(rejected(sentence, "types"));
        }
        if size_bytes < self.min_size_bytes {
            let sentence = format!(
                "the file has {size_bytes} bytes, fewer than the {} it must have",
                self.min_size_bytes
            );
            return Err(rejected(sentence, "min_size"));
        }
        match self.max_size_bytes {
            Some(most) if size_bytes > most => Err(rejected(
                format!("the file has {size_bytes} bytes, more than the {most} it may have"),
                "max_size",
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn rejected(sentence: String, rule: &'static str) -> Error {
    Error::new(Kind::Refused, sentence).with("rule", rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let screen = Screen {
            names: vec![
                NamePattern::glob("report*").unwrap(),
                NamePattern::regex(r"\d+\.csv").unwrap(),
            ],
            types: Some(vec![FileType::parse("csv").unwrap()]),
            min_size_bytes: 1,
            max_size_bytes: Some(10),
            quarantine: None,
        };
        let verdict = |name, size| {
            let checked = screen.check_name_and_size(name, size);
            checked.map_err(|e| format!("{:?} {}", e.kind(), e.chain()))
        };
        assert_eq!(verdict("report.csv", 1), Ok(()));
        assert_eq!(
            verdict("1.CSV", 10).unwrap_err(),
            r"Refused the file's name does not match report* or /\d+\.csv/ [rule=names]"
        );
        assert_eq!(verdict("report.CSV", 10), Ok(()));
        assert_eq!(verdict("1.csv", 10), Ok(()));
        assert_eq!(
            verdict("report.xls", 5).unwrap_err(),
            "Refused only files of type csv are sent [rule=types]"
        );
        assert_eq!(
            verdict("report", 5).unwrap_err(),
            "Refused only files of type csv are sent [rule=types]"
        );
        assert_eq!(
            verdict("1.csv", 0).unwrap_err(),
            "Refused the file has 0 bytes, fewer than the 1 it must have [rule=min_size]"
        );
        assert_eq!(
            verdict("1.csv", 11).unwrap_err(),
            "Refused the file has 11 bytes, more than the 10 it may have [rule=max_size]"
        );
        assert!(!screen.is_open());
        assert!(Screen::default().is_open());
        assert!(Screen::default().check_name_and_size("anything", 0).is_ok());
    }
}
