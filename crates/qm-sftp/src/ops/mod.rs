//! What each operation does, one file an operation. An operation returns an answer or an error;
//! both become bytes here and nowhere else.

mod close;
mod extended;
mod folder;
mod list;
mod open;
mod path;
mod read;
mod remove;
mod rename;
mod setstat;
mod stat;
mod versions;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use qm_core::ports::bucket::{Entry, Rewrapped, Space};
use qm_core::ports::mailbox::{Existing, VersionEntry};
use qm_core::{Error, Kind, Result};

use crate::session::Session;
use crate::wire::{Extension, HandleId, Name, Operation};
use qm_sftp_wire::Status;

/// Whether the channel goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flow {
    /// It does.
    Continue,
    /// It is closed after the replies: clients that do not look at them must notice.
    Close,
}

/// What an operation answers when it succeeds.
#[derive(Debug)]
enum Answer {
    Done,
    Opened(HandleId),
    Attributes(Entry),
    Path(String),
    Listed(Vec<Entry>),
    EndOfListing,
    Limits,
    Space(Space),
    Versions(Vec<VersionEntry>),
    Rewrapped(Rewrapped),
}

/// Executes one request and answers it.
pub(crate) async fn answer(session: &mut Session, id: u32, operation: Operation) {
    let name = name_of(&operation);
    let answer = execute(session, operation).await;
    let replies = &mut session.replies;
    match answer {
        Ok(Answer::Done) => done(session, id),
        Ok(Answer::Opened(handle)) => replies.handle(id, handle),
        Ok(Answer::Attributes(entry)) => replies.attributes(id, &entry),
        Ok(Answer::Path(path)) => {
            let now = session.clock.now();
            replies.names(id, &[Name::Path(&path)], now);
        }
        Ok(Answer::Listed(entries)) => {
            let names: Vec<Name<'_>> = entries.iter().map(Name::Listed).collect();
            replies.names(id, &names, session.clock.now());
        }
        Ok(Answer::EndOfListing) => replies.status(id, Status::Eof, "no more entries"),
        Ok(Answer::Limits) => replies.limits(id),
        Ok(Answer::Space(space)) => replies.space(id, &space),
        Ok(Answer::Versions(entries)) => replies.versions(id, &entries),
        Ok(Answer::Rewrapped(done)) => replies.rewrapped(id, &done),
        Err(error) => failed(session, id, name, &error),
    }
}

fn done(session: &mut Session, id: u32) {
    session.replies.status(id, Status::Ok, "done");
}

/// Answers an error, and logs it: nobody above sees it.
fn failed(session: &mut Session, id: u32, operation: &'static str, error: &Error) {
    let who = &session.who;
    match error.kind() {
        Kind::AlreadyExists
        | Kind::Conflict
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Refused
        | Kind::Unauthenticated
        | Kind::Unsupported => {
            tracing::debug!(%who, operation, error = ?error, "request refused");
        }
        Kind::Limit | Kind::Timeout | Kind::Unavailable => {
            tracing::warn!(%who, operation, error = ?error, "request failed");
        }
        Kind::Bug => tracing::error!(%who, operation, error = ?error, "request failed"),
    }
    session
        .replies
        .status(id, Status::of(error.kind()), error.public_message());
}

async fn execute(session: &mut Session, operation: Operation) -> Result<Answer> {
    match operation {
        Operation::Open {
            path,
            flags,
            attributes,
        } => open::open(session, &path, flags, attributes).await,
        Operation::Close { handle } => close::close(session, handle).await,
        Operation::Stat { path } | Operation::Lstat { path } => stat::stat(session, &path).await,
        Operation::Fstat { handle } => stat::fstat(session, handle).await,
        Operation::Setstat { path, attributes }
        | Operation::Extended(Extension::Lsetstat { path, attributes }) => {
            setstat::setstat(session, &path, attributes).await
        }
        Operation::Fsetstat { handle, attributes } => {
            setstat::fsetstat(session, handle, attributes).await
        }
        Operation::Opendir { path } => list::opendir(session, &path).await,
        Operation::Readdir { handle } => list::readdir(session, handle).await,
        Operation::Remove { path } => remove::remove(session, &path).await,
        Operation::Mkdir { path } => folder::mkdir(session, &path).await,
        Operation::Rmdir { path } => folder::rmdir(session, &path).await,
        Operation::Realpath { path } => path::realpath(session, &path),
        Operation::Rename { from, to } => {
            rename::rename(session, &from, &to, Existing::Refuse).await
        }
        Operation::Extended(Extension::PosixRename { from, to }) => {
            rename::rename(session, &from, &to, Existing::Replace).await
        }
        Operation::Extended(Extension::Limits) => Ok(Answer::Limits),
        Operation::Extended(Extension::Fsync { handle }) => extended::fsync(session, handle).await,
        Operation::Extended(Extension::Statvfs { path }) => extended::statvfs(session, &path).await,
        Operation::Extended(Extension::Fstatvfs { handle }) => {
            extended::fstatvfs(session, handle).await
        }
        Operation::Extended(Extension::ExpandPath { path }) => path::expand(session, &path),
        Operation::Extended(Extension::HomeDirectory { user }) => path::home(session, &user),
        Operation::Extended(Extension::Versions { path, skip }) => {
            versions::versions(session, &path, skip).await
        }
        Operation::Extended(Extension::Restore { path, version }) => {
            versions::restore(session, &path, &version).await
        }
        Operation::Extended(Extension::Rewrap { path }) => versions::rewrap(session, &path).await,
        Operation::Extended(Extension::Unknown { name }) => {
            tracing::debug!(name = %name.escape_ascii(), "unknown extension");
            Err(unknown_extension())
        }
        Operation::Readlink | Operation::Symlink => {
            Err(unsupported("this server has no links between files"))
        }
        Operation::Unknown { kind } => {
            tracing::debug!(kind, "unknown request");
            Err(unsupported("this server does not offer that operation"))
        }
    }
}

fn name_of(operation: &Operation) -> &'static str {
    match operation {
        Operation::Open { .. } => "open",
        Operation::Close { .. } => "close",
        Operation::Lstat { .. } => "lstat",
        Operation::Fstat { .. } => "fstat",
        Operation::Setstat { .. } => "setstat",
        Operation::Fsetstat { .. } => "fsetstat",
        Operation::Opendir { .. } => "opendir",
        Operation::Readdir { .. } => "readdir",
        Operation::Remove { .. } => "remove",
        Operation::Mkdir { .. } => "mkdir",
        Operation::Rmdir { .. } => "rmdir",
        Operation::Realpath { .. } => "realpath",
        Operation::Stat { .. } => "stat",
        Operation::Rename { .. } => "rename",
        Operation::Readlink => "readlink",
        Operation::Symlink => "symlink",
        Operation::Extended(_) => "extended",
        Operation::Unknown { .. } => "unknown",
    }
}

fn unknown_extension() -> Error {
    unsupported("this server does not offer that extension")
}

fn unsupported(message: &'static str) -> Error {
    Error::new(Kind::Unsupported, message)
}
