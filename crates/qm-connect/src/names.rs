//! Names at destinations that have our rules of names.

use qm_core::{Error, Kind};

/// What a removal says of a target that is not there.
pub(crate) const AWAY: &str = "it was not there any more";
/// What a removal says of a target that it leaves.
pub(crate) const NOT_OURS: &str = "left where it is: it is not what was delivered under this name";

/// A target that such a destination cannot have.
pub(crate) fn not_a_name(target: &str, cause: Error) -> Error {
    Error::new(
        Kind::Refused,
        "the name is not one the destination can have",
    )
    .with("target", target.escape_debug())
    .source(cause)
}
