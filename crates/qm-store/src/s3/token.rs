//! Where staged bytes are: an upload in parts, under the key that it was begun for.

use serde::{Deserialize, Serialize};

use qm_core::operation::StagedToken;
use qm_core::{Error, Kind, Result};

/// An upload. Written the same way by everybody, because tokens are compared as text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct UploadToken {
    /// The whole key in the S3 bucket.
    pub(crate) key: String,
    /// The store's name for it.
    pub(crate) upload: String,
}

impl UploadToken {
    /// As the ledger keeps it.
    pub(crate) fn encode(&self) -> Result<StagedToken> {
        serde_json::to_string(self)
            .map(StagedToken)
            .map_err(|error| {
                Error::new(Kind::Bug, "the server met an internal error")
                    .during("write the name of an upload")
                    .source(error)
            })
    }

    /// From the ledger.
    pub(crate) fn decode(token: &StagedToken) -> Result<Self> {
        serde_json::from_str(&token.0).map_err(|error| {
            Error::new(Kind::Bug, "the server met an internal error")
                .during("read the name of an upload")
                .with("token", &token.0)
                .source(error)
        })
    }
}
