//! What can go wrong inside a transaction, what is done about it, and what the caller is told.

use qm_core::{Error, Kind};
use tokio_postgres::error::{Severity, SqlState};

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

/// What may be done after a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cure {
    /// The same again, on another connection: this one is lost.
    Reconnect,
    /// The same again: others were in the way.
    Again,
    /// Nothing.
    None,
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
            Self::Sql(error) => cure_of(error),
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

fn cure_of(error: &tokio_postgres::Error) -> Cure {
    let Some(told) = error.as_db_error() else {
        // Nothing that the server said: the line, or a value of ours that does not fit its column.
        let is_ours = std::error::Error::source(error)
            .is_some_and(|source| !source.is::<std::io::Error>())
            && !error.is_closed();
        return if is_ours { Cure::None } else { Cure::Reconnect };
    };
    if matches!(
        told.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    ) {
        return Cure::Reconnect;
    }
    let again = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    let elsewhere = [
        // What was the primary is a standby now.
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    if again.contains(told.code()) {
        Cure::Again
    } else if elsewhere.contains(told.code()) || told.code().code().starts_with("08") {
        Cure::Reconnect
    } else {
        Cure::None
    }
}

/// The server's sentence without its details: those hold values of rows.
fn from_postgres(operation: &'static str, error: tokio_postgres::Error) -> Error {
    let cure = cure_of(&error);
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
