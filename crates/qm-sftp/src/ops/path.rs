//! REALPATH, `expand-path@openssh.com` and `home-directory`: pure functions of the path, so that
//! a client which asks a thousand times costs no disk.

use qm_core::{Error, Kind, Result};

use super::Answer;
use crate::session::Session;

pub(super) fn realpath(session: &Session, path: &[u8]) -> Result<Answer> {
    session.mailbox.real_path(path).map(Answer::Path)
}

/// `~` is the root of the mailbox; another account's `~name` is nobody's.
pub(super) fn expand(session: &Session, path: &[u8]) -> Result<Answer> {
    let Some(rest) = path.strip_prefix(b"~") else {
        return realpath(session, path);
    };
    let (user, below) = match rest.iter().position(|byte| *byte == b'/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, &b""[..]),
    };
    home(session, user)?;
    realpath(session, below.strip_prefix(b"/").unwrap_or(below))
}

pub(super) fn home(session: &Session, user: &[u8]) -> Result<Answer> {
    if user.is_empty() || user == session.who.user().as_bytes() {
        return realpath(session, b"");
    }
    Err(Error::new(
        Kind::NotFound,
        "only your own folder can be named with `~`",
    ))
}
