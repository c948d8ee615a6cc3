//! A look at a name: what it shows at one moment, so that nobody asks twice for it.

use super::bucket::{Entry, EntryKind};
use crate::{Error, Kind, Result};

/// What is under a name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// The file or folder.
    pub entry: Option<Entry>,
    /// How the bucket recognises the file (see [`crate::operation::Version::identity`]).
    pub identity: Option<String>,
    /// Which state of the file it was, in the words of the bucket, if a change can depend on it.
    pub state: Option<String>,
}

/// What a name probably shows. It decides what a store is asked first, never what is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Likely {
    /// A file.
    File,
    /// A folder or nothing.
    NoFile,
}

impl Look {
    /// The file, if there is one; a folder is an error.
    pub fn file(&self) -> Result<Option<&Entry>> {
        match &self.entry {
            Some(entry) if entry.kind == EntryKind::Folder => {
                Err(Error::new(Kind::Conflict, "that name is a folder"))
            }
            found => Ok(found.as_ref()),
        }
    }
}
