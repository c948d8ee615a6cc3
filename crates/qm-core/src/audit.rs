//! Audit records: who did or tried what, from where, and what was decided.

use jiff::Timestamp;
use std::net::IpAddr;

/// What was done or tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Activity {
    /// A revision of the configuration was recorded.
    Apply,
    /// A login was refused.
    AuthFailure,
    /// A delivery was given up.
    Cancel,
    /// A login succeeded.
    Connected,
    /// A file was removed.
    Delete,
    /// A session ended.
    Disconnected,
    /// A file that did not come through us was found in a bucket.
    Found,
    /// A credential was added or removed.
    Key,
    /// A folder was made.
    Mkdir,
    /// A file was opened for reading.
    Open,
    /// A session was lost with an open upload.
    PartialClose,
    /// A dead letter was purged.
    Purge,
    /// A dead letter was given new attempts.
    Redrive,
    /// A name was changed.
    Rename,
    /// A version was brought back.
    Restore,
    /// A folder was removed.
    Rmdir,
    /// Times or permissions were set.
    Setstat,
    /// The rows of a load were taken back.
    Undo,
    /// A file was uploaded.
    Upload,
}

impl Activity {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::AuthFailure => "auth-failure",
            Self::Cancel => "cancel",
            Self::Connected => "connected",
            Self::Delete => "delete",
            Self::Disconnected => "disconnected",
            Self::Found => "found",
            Self::Key => "key",
            Self::Mkdir => "mkdir",
            Self::Open => "open",
            Self::PartialClose => "partial-close",
            Self::Purge => "purge",
            Self::Redrive => "redrive",
            Self::Rename => "rename",
            Self::Restore => "restore",
            Self::Rmdir => "rmdir",
            Self::Setstat => "setstat",
            Self::Undo => "undo",
            Self::Upload => "upload",
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It was done.
    Allowed,
    /// It was refused; the rule that refused it.
    Denied(String),
    /// It was allowed and failed; the reason.
    Failed(String),
}

/// One line of the audit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// The account, operator or part of the house that acted.
    pub actor: String,
    /// Where it came from, if over the network.
    pub source: Option<IpAddr>,
    /// What.
    pub activity: Activity,
    /// On what: a canonical path or name.
    pub subject: String,
    /// What was decided.
    pub decision: Decision,
}
