//! What can go wrong inside a job, and what the caller is told.

use qm_core::{Error, Kind, Retry};
use rusqlite::ErrorCode;

/// The result of a piece of SQL.
pub(super) type Sql<T> = Result<T, Fault>;

/// Either `SQLite` failed or the job refuses.
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
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Self::Sql(error) => from_sqlite(operation, error),
            Self::Refused(error) => error.during(operation),
        }
    }

    /// True if the connection itself may be damaged and is better not used again.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::Sql(error) => !matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy)
            ),
            Self::Refused(_) => false,
        }
    }
}

/// An error of `SQLite`, sorted by what a caller can do about it.
pub(super) fn from_sqlite(operation: &'static str, error: rusqlite::Error) -> Error {
    let made = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::new(
            Kind::Limit,
            "the server has no space left; please try again later",
        ),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted,
        ) => unavailable(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            unavailable().retry(Retry::Never)
        }
        _ => Error::new(Kind::Bug, "the server made a mistake"),
    };
    made.during(operation).source(error)
}

/// The ledger cannot be written now.
pub(super) fn unavailable() -> Error {
    Error::new(
        Kind::Unavailable,
        "the server could not record this; please try again later",
    )
}
