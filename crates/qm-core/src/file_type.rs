//! File types an account may upload: by extension, in any case. What the bytes must look like is
//! decided by `qm-content`, for whoever has them.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::{Error, Kind, Result};

/// An extension in lower case, without dot.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct FileType(String);

/// What can be recognised by content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Content {
    /// Text in any of the usual encodings.
    Csv,
    /// JSON, parsed at its head.
    Json,
    /// An OLE compound file.
    Xls,
    /// A zip archive with `xl/` in it.
    Xlsx,
}

impl FileType {
    /// 1 to 16 ASCII letters and digits, without dot, in any case.
    pub fn parse(text: &str) -> Result<Self> {
        let well_formed =
            (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if well_formed {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(Error::new(
            Kind::Invalid,
            format!("`{}` is not a file extension", text.escape_debug()),
        )
        .help("write the extension alone, without dot: `csv`"))
    }

    /// The type of a file by its name, if it has an extension.
    pub fn of(file_name: &str) -> Option<Self> {
        let (stem, extension) = file_name.rsplit_once('.')?;
        if stem.is_empty() {
            None
        } else {
            Self::parse(extension).ok()
        }
    }

    /// In lower case, without dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The content that this extension promises, if we can tell.
    pub fn content(&self) -> Option<Content> {
        match self.0.as_str() {
            "csv" => Some(Content::Csv),
            "json" => Some(Content::Json),
            "xls" => Some(Content::Xls),
            "xlsx" => Some(Content::Xlsx),
            _ => None,
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `csv, xls, xlsx or json`, for sentences.
pub fn listed(types: &[FileType]) -> String {
    match types {
        [] => "no files at all".to_owned(),
        [only] => only.to_string(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(FileType::as_str).collect();
            format!("{} or {last}", head.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions() {
        assert_eq!(FileType::of("A.CSV").unwrap().as_str(), "csv");
        assert_eq!(FileType::of("a.tar.gz").unwrap().as_str(), "gz");
        assert_eq!(FileType::of("README"), None);
        assert_eq!(FileType::of(".csv"), None);
        assert_eq!(FileType::of("a."), None);
        let types: Vec<_> = ["csv", "xls", "json"]
            .map(|t| FileType::parse(t).unwrap())
            .into();
        assert_eq!(listed(&types), "csv, xls or json");
    }
}
