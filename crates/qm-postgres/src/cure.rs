//! What an error means for the next try.

use tokio_postgres::error::{Severity, SqlState};

/// What may be done after an error, provided that the transaction is known not to count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cure {
    /// The same again, on another connection: this one is lost.
    Reconnect,
    /// The same again: others were in the way.
    Again,
    /// Nothing.
    None,
}

/// Of an error of the driver.
pub fn cure(error: &tokio_postgres::Error) -> Cure {
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
