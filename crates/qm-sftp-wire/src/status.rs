//! What the kinds of error are on the wire.

use qm_core::Kind;

/// Status codes of SFTP version 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// There is no more.
    Eof = 1,
    /// Nothing is under the name.
    NoSuchFile = 2,
    /// Policy forbids it.
    PermissionDenied = 3,
    /// Anything else.
    Failure = 4,
    /// It could not be decoded.
    BadMessage = 5,
    /// It is not offered.
    Unsupported = 8,
}

impl Status {
    /// What a kind of error is. `BadMessage` is only for what could not be decoded: clients show it as "bad message",
    /// which tells nobody that a name was wrong.
    pub fn of(kind: Kind) -> Self {
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

    /// Reads it; what nobody knows is a failure.
    pub fn from_code(code: u32) -> Self {
        [
            Self::Ok,
            Self::Eof,
            Self::NoSuchFile,
            Self::PermissionDenied,
            Self::BadMessage,
            Self::Unsupported,
        ]
        .into_iter()
        .find(|status| status.code() == code)
        .unwrap_or(Self::Failure)
    }

    /// As on the wire.
    pub fn code(self) -> u32 {
        self as u32
    }
}
