//! Names at destinations that have our rules of names.

use qm_core::{Error, Kind};

/// A target that such a destination cannot have.
pub(crate) fn not_a_name(target: &str, cause: Error) -> Error {
    Error::new(
        Kind::Refused,
        "the name is not one the destination can have",
    )
    .with("target", target.escape_debug())
    .source(cause)
}
