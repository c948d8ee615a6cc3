//! Names of objects below the bucket's prefix.

use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::operation::StagedToken;
use qm_core::{Error, Kind, Result};

/// Where staged bytes are.
pub(super) const STAGING: &str = ".quaymaster/staging/";
const KEPT: &str = ".quaymaster/kept/";

/// The name of the object under a key. The client library cuts blanks off both ends of a name: two
/// keys would share an object.
pub(super) fn object(key: &ObjectKey) -> Result<String> {
    checked(key.as_str()).map(str::to_owned)
}

/// What the names of everything in a folder begin with.
pub(super) fn folder(folder: &Prefix) -> Result<String> {
    if folder.is_root() {
        return Ok("/".to_owned());
    }
    Ok(format!("{}/", checked(folder.as_str())?))
}

/// Where the bytes of a version wait for their name.
pub(super) fn staging(version: VersionId) -> String {
    format!("{STAGING}{version}")
}

/// Where the bytes of a version are that lost its name.
pub(super) fn kept(version: VersionId) -> String {
    format!("{KEPT}{version}")
}

/// What the ledger calls staged bytes.
pub(super) fn token(version: VersionId) -> StagedToken {
    StagedToken(version.to_string())
}

/// The version of staged bytes.
pub(super) fn staged_version(token: &StagedToken) -> Result<VersionId> {
    token.0.parse()
}

fn checked(name: &str) -> Result<&str> {
    if name == name.trim() {
        return Ok(name);
    }
    Err(Error::new(
        Kind::Invalid,
        "this server cannot keep a name that begins or ends with a blank",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_ends_are_refused() {
        for (key, expect) in [
            ("a b/c+d%20\u{e9}.csv", true),
            ("a / b", true),
            (" a", false),
            ("a/b ", false),
            ("a\u{a0}", false),
        ] {
            let key = ObjectKey::parse(key).unwrap();
            assert_eq!(object(&key).is_ok(), expect, "{key}");
            assert_eq!(folder(&key.as_prefix()).is_ok(), expect, "{key}");
        }
        assert_eq!(folder(&Prefix::default()).unwrap(), "/");
    }
}
