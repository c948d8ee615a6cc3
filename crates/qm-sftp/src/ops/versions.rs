//! `versions@quaymaster`, `restore@quaymaster` and `rewrap@quaymaster`: for operators. To partners they do not exist.

use qm_core::{Error, Kind, Result};

use super::{Answer, unknown_extension};
use crate::limits::VERSIONS_MAX;
use crate::session::{Session, Who};

/// Those after the first `skip`, as many as fit; none at the end.
pub(super) async fn versions(session: &Session, path: &[u8], skip: u32) -> Result<Answer> {
    check_operator(session)?;
    let path = session.mailbox.locate(path)?;
    let mut versions = session.mailbox.versions(&path).await?;
    versions.drain(..versions.len().min(skip as usize));
    versions.truncate(VERSIONS_MAX);
    Ok(Answer::Versions(versions))
}

pub(super) async fn restore(session: &Session, path: &[u8], version: &[u8]) -> Result<Answer> {
    check_operator(session)?;
    let path = session.mailbox.locate(path)?;
    let version = std::str::from_utf8(version)
        .map_err(|_| Error::new(Kind::Invalid, "that is not a version id"))?
        .parse()?;
    session.mailbox.restore(&path, version).await?;
    Ok(Answer::Done)
}

/// Answered when all of it is done.
pub(super) async fn rewrap(session: &Session, path: &[u8]) -> Result<Answer> {
    check_operator(session)?;
    let path = session.mailbox.locate(path)?;
    let done = session.mailbox.rewrap(&path).await?;
    Ok(Answer::Rewrapped(done))
}

fn check_operator(session: &Session) -> Result<()> {
    match session.who {
        Who::Operator(_) => Ok(()),
        Who::Account(_) => Err(unknown_extension()),
    }
}
