//! What the server may say, and what can be done about it.

use qm_core::{Error, Kind};
use qm_postgres::{Cure, cure};
use tokio_postgres::error::{DbError, SqlState};

/// The result of a piece of SQL.
pub(super) type Sql<T> = Result<T, Fault>;

/// Either the server failed, or the line to it, or the work refuses.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(tokio_postgres::Error),
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
    /// As it crosses the port.
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Self::Refused(error) => error.during(operation),
            Self::Sql(error) => of_server(error).during(operation),
        }
    }
}

/// The server's sentence without its details: those hold values of rows.
fn of_server(error: tokio_postgres::Error) -> Error {
    let cure = cure(&error);
    let Some(told) = error.as_db_error() else {
        return match cure {
            Cure::Reconnect | Cure::Again => lost(),
            Cure::None => Error::new(Kind::Bug, "the server made a mistake"),
        }
        .source(error);
    };
    let made = match cure {
        Cure::Reconnect => lost(),
        Cure::Again => Error::new(Kind::Unavailable, "the table is locked by somebody else"),
        Cure::None => said(told),
    };
    made.with("sqlstate", told.code().code())
        .source(told.message().to_owned())
}

fn lost() -> Error {
    Error::new(
        Kind::Unavailable,
        "the database does not answer, or the line to it was lost",
    )
}

fn said(told: &DbError) -> Error {
    let code = told.code();
    let is_of = |class: &str| code.code().starts_with(class);
    if *code == SqlState::DISK_FULL {
        Error::new(Kind::Limit, "the disk of the database is full")
    } else if *code == SqlState::QUERY_CANCELED || is_of("53") {
        Error::new(
            Kind::Unavailable,
            "the database has no room for the load now",
        )
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        Error::new(Kind::Refused, "the database's user may not do that").help(
            "grant it SELECT, INSERT, UPDATE and DELETE on the table, and USAGE and CREATE on its schema",
        )
    } else if *code == SqlState::UNDEFINED_TABLE {
        Error::new(Kind::NotFound, "the table is not there any more")
    } else if is_of("23") {
        let rule = told.constraint().unwrap_or("without a name");
        Error::new(
            Kind::Refused,
            format!("a row breaks a rule of the table: {rule}"),
        )
    } else if is_of("22") {
        Error::new(Kind::Refused, "a value does not fit its column")
    } else if is_of("28") || is_of("3D") {
        Error::new(
            Kind::Unauthenticated,
            "the database does not let this server in",
        )
    } else {
        Error::new(Kind::Invalid, "the database does not take the load")
    }
}
