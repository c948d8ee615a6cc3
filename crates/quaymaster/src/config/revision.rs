//! The configuration as a revision in the ledger.

use qm_core::config::Config;
use qm_core::{Error, Kind, Result};

/// As the ledger keeps it. The same configuration always gives the same text.
pub(crate) fn to_json(config: &Config) -> Result<String> {
    serde_json::to_string(config).map_err(|error| {
        Error::new(Kind::Bug, "the configuration cannot be written down")
            .during("write a revision")
            .source(error)
    })
}

/// From what the ledger keeps.
pub(crate) fn from_json(text: &str) -> Result<Config> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(
            Kind::Invalid,
            "the ledger's revision was written by another version of quaymaster",
        )
        .during("read a revision")
        .help("apply the configuration file again: quaymaster apply FILE")
        .source(error)
    })
}
