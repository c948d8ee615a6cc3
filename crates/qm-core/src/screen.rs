//! The step `screen`: what is checked of an object before anything of it is sent.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::file_type::FileType;
use crate::template::Template;

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

/// A pattern over file names.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum NamePattern {
    /// `*` and `?`, over the whole name.
    Glob(String),
    /// A regular expression that must match the whole name.
    Regex(String),
}

impl Screen {
    /// True if it checks nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what is known without the bytes. `Refused` with a sentence that names the rule.
    pub fn check_name_and_size(&self, file_name: &str, size_bytes: u64) -> Result<()> {
        let _ = (file_name, size_bytes);
        todo!()
    }
}

impl NamePattern {
    /// Checks that it is one; the error says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        todo!()
    }
}
