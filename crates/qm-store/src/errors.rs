//! I/O errors in the words of the house.

use qm_core::{Error, Kind};
use std::io;

/// `ELOOP` and `EXDEV` are what the kernel answers when a link, or a path that leaves the root,
/// is in the way; their `ErrorKind`s have no stable names for both.
const ELOOP: i32 = 40;
const EXDEV: i32 = 18;

pub(crate) fn io_error(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.raw_os_error() {
        Some(ELOOP | EXDEV) => Error::new(Kind::Refused, "links are not followed here")
            .during(operation)
            .source(error),
        _ => Error::io(operation, error),
    }
}

/// A blocking task that did not finish: it panicked, or the runtime is going down.
pub(crate) fn lost_task(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Bug, "the server met an internal error")
        .during("run blocking I/O")
        .source(error)
}

/// Staged bytes after an error that lost some of them.
pub(crate) fn failed() -> Error {
    Error::new(
        Kind::Conflict,
        "this upload has failed; please send the file again",
    )
}

pub(crate) fn incomplete(offset: u64) -> Error {
    Error::new(
        Kind::Invalid,
        format!("the file is incomplete: nothing was sent for byte {offset} and on"),
    )
}

pub(crate) fn scattered() -> Error {
    Error::new(Kind::Limit, "the file was sent in too many separate pieces")
}

pub(crate) fn too_large() -> Error {
    Error::new(Kind::Invalid, "the file is larger than any disk")
}

/// `None` when there is nothing; every other failure stays one.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
