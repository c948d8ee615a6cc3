//! Our keys as keys of the S3 bucket, and back.

use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, Prefix, RESERVED_COMPONENT};

/// Where in the S3 bucket our keys begin.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// Empty, or with a `/` at the end.
    beginning: String,
}

impl Keys {
    pub(crate) fn new(prefix: &Prefix) -> Self {
        Self {
            beginning: with_slash(prefix.as_str()),
        }
    }

    /// What all our keys begin with.
    pub(crate) fn beginning(&self) -> &str {
        &self.beginning
    }

    pub(crate) fn object(&self, key: &ObjectKey) -> String {
        format!("{}{key}", self.beginning)
    }

    /// What the keys in a folder begin with, which is also the key of its marker.
    pub(crate) fn folder(&self, folder: &Prefix) -> String {
        format!("{}{}", self.beginning, with_slash(folder.as_str()))
    }

    /// Where the bytes of a superseded version are kept if the store does not.
    pub(crate) fn kept(&self, version: VersionId) -> String {
        format!("{}{RESERVED_COMPONENT}/kept/{version}", self.beginning)
    }
}

fn with_slash(folder: &str) -> String {
    if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    }
}
