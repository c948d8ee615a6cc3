//! What can go wrong inside a transaction, what is done about it, and what the caller is told.

use qm_core::{Error, Kind};
pub(super) use qm_postgres::Cure;
use tokio_postgres::error::SqlState;

/// The result of a piece of SQL.
pub(super) type Sql<T> = Result<T, Fault>;

/// Either the server failed, or the line to it, or the work refuses.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(tokio_postgres::Error),
    /// No answer came in time: nobody knows what the server does.
    Silent,
    Refused(Error),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// What may be done, provided that the transaction is known not to count.
    pub(super) fn cure(&self) -> Cure {
        match self {
            Self::Silent => Cure::Reconnect,
            Self::Refused(_) => Cure::None,
            Self::Sql(error) => qm_postgres::cure(error),
        }
    }

    /// As it crosses the port.
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Self::Refused(error) => error.during(operation),
            Self::Silent => unavailable()
                .during(operation)
                .with("reason", "the database did not answer in time"),
            Self::Sql(error) => from_postgres(operation, error),
        }
    }
}

/// The server's sentence without its details: those hold values of rows.
fn from_postgres(operation: &'static str, error: tokio_postgres::Error) -> Error {
    let cure = qm_postgres::cure(&error);
    let Some(told) = error.as_db_error() else {
        let made = match cure {
            Cure::Reconnect | Cure::Again => unavailable(),
            Cure::None => Error::new(Kind::Bug, "the server made a mistake"),
        };
        return made.during(operation).source(error);
    };
    let made = match cure {
        Cure::Reconnect | Cure::Again => unavailable(),
        Cure::None if *told.code() == SqlState::DISK_FULL => Error::new(
            Kind::Limit,
            "the server has no space left; please try again later",
        ),
        Cure::None if *told.code() == SqlState::QUERY_CANCELED => unavailable(),
        Cure::None => Error::new(Kind::Bug, "the server made a mistake"),
    };
    made.during(operation)
        .with("sqlstate", told.code().code())
        .source(told.message().to_owned())
}

/// The ledger cannot be written now.
pub(super) fn unavailable() -> Error {
    Error::new(
        Kind::Unavailable,
        "the server could not record this; please try again later",
    )
}

/// What this node had begun is not its own any more.
pub(super) fn lease_is_over() -> Error {
    Error::new(
        Kind::Conflict,
        "this node was silent for too long; others may have taken over what it had begun",
    )
}
