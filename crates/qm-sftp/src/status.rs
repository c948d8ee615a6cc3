//! What the kinds of error are on the wire.

use qm_core::Kind;

/// Status codes of SFTP version 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Status {
    Ok = 0,
    Eof = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

impl Status {
    /// `BadMessage` is only for what could not be decoded: clients show it as "bad message",
    /// which tells nobody that a name was wrong.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::NotFound => Self::NoSuchFile,
            Kind::Refused | Kind::Unauthenticated => Self::PermissionDenied,
            Kind::Unsupported => Self::Unsupported,
            Kind::AlreadyExists
            | Kind::Bug
            | Kind::Conflict
            | Kind::Invalid
            | Kind::Limit
            | Kind::Timeout
            | Kind::Unavailable => Self::Failure,
        }
    }

    pub(crate) fn code(self) -> u32 {
        self as u32
    }
}
