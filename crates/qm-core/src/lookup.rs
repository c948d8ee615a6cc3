//! What a secret that a lookup found says: an SFTP server and what may be sent there. JSON, as
//! operators of the systems that came before have it in their secret stores.

use crate::Result;
use crate::config::Sftp;
use crate::ports::access::Secret;
use crate::screen::NamePattern;
use crate::template::Template;

/// A destination that was looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct LookedUp {
    /// The place.
    pub place: Sftp<Secret>,
    /// Which file names it takes; `None` for any.
    pub pattern: Option<NamePattern>,
    /// The name there; `None` for the name it has here.
    pub name: Option<Template>,
}

/// Reads the secret: `host`, `port` (22), `username`, `private_key`, `private_key_passphrase`, `password`,
/// `known_hosts` (list), `remote_dir` (`.`), `create_dir` (false), `pattern`, `pattern_type` (`glob` or `regex`), `remote_name`; also
/// the spellings `Username`, `PrivateKey`, `Password`. No error shows a value.
pub fn parse(secret: &Secret) -> Result<LookedUp> {
    let _ = secret;
    todo!()
}
