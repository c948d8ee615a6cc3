//! What `SQLite` may say, and what can be done about it.

use qm_core::{Error, Kind, Retry};
use rusqlite::{ErrorCode, ffi};
use std::path::Path;

/// The result of a piece of work on the database's thread.
pub(super) type Sql<T> = Result<T, Fault>;

/// Either `SQLite` failed or the work refuses.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// As it crosses the port.
    pub(super) fn into_error(self, operation: &'static str, file: &Path) -> Error {
        match self {
            Self::Refused(error) => error.during(operation),
            Self::Sql(error) => of_sqlite(error)
                .during(operation)
                .with("file", file.display()),
        }
    }
}

fn of_sqlite(error: rusqlite::Error) -> Error {
    // The index of the log could not be made larger, which is told as any other failure of the disk.
    let is_index = error
        .sqlite_error()
        .is_some_and(|told| told.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
    let code = error
        .sqlite_error_code()
        .map(|code| if is_index { ErrorCode::DiskFull } else { code });
    let (kind, message) = match code {
        Some(ErrorCode::DiskFull) => (Kind::Limit, "the disk of the database is full"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Kind::Unavailable, "the database is locked by somebody else")
        }
        Some(ErrorCode::ConstraintViolation) => (Kind::Refused, "a row breaks a rule of the table"),
        Some(ErrorCode::TypeMismatch) => (Kind::Refused, "a value is not of its column's type"),
        Some(ErrorCode::TooBig) => (Kind::Refused, "a row is larger than the database allows"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
            Kind::Unavailable,
            "the database may not be written by this server",
        ),
        Some(ErrorCode::CannotOpen) => (Kind::Unavailable, "the database cannot be opened"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            return Error::new(
                Kind::Unavailable,
                "the file is not a database, or is damaged",
            )
            .retry(Retry::Never)
            .source(error);
        }
        Some(
            ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted,
        ) => (
            Kind::Unavailable,
            "the database could not be read or written",
        ),
        // A statement that the table's own definition does not allow: triggers, views.
        Some(_) => (Kind::Invalid, "the database does not take the load"),
        None => (Kind::Bug, "the server made a mistake"),
    };
    Error::new(kind, message).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i32, expect: (Kind, Retry)) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let told = Fault::from(error).into_error("write rows", Path::new("x.sqlite"));
        assert_eq!((told.kind(), told.retry_verdict()), expect, "{code}");
    }

    #[test]
    fn what_may_be_tried_again() {
        check(ffi::SQLITE_FULL, (Kind::Limit, Retry::Later));
        check(ffi::SQLITE_IOERR_SHMSIZE, (Kind::Limit, Retry::Later));
        check(ffi::SQLITE_BUSY, (Kind::Unavailable, Retry::Later));
        check(ffi::SQLITE_LOCKED, (Kind::Unavailable, Retry::Later));
        check(ffi::SQLITE_IOERR_WRITE, (Kind::Unavailable, Retry::Later));
        check(ffi::SQLITE_READONLY, (Kind::Unavailable, Retry::Later));
        check(ffi::SQLITE_CORRUPT, (Kind::Unavailable, Retry::Never));
        check(ffi::SQLITE_NOTADB, (Kind::Unavailable, Retry::Never));
        check(ffi::SQLITE_CONSTRAINT_CHECK, (Kind::Refused, Retry::Never));
    }
}
