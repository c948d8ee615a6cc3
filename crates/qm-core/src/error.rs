//! The one error that crosses a port: what kind it is, whether trying again can help, what was
//! being done, and two texts for two audiences (the peer and the log).

use std::fmt;
use std::time::Duration;

/// Shorthand used by every port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What edges branch on; every edge matches it exhaustively.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The name is taken.
    AlreadyExists,
    /// A fault of ours.
    Bug,
    /// Somebody else changed the same thing, or the state does not allow it.
    Conflict,
    /// The input itself is wrong.
    Invalid,
    /// A limit or the disk is exhausted.
    Limit,
    /// No such thing.
    NotFound,
    /// Policy forbids it.
    Refused,
    /// Took too long.
    Timeout,
    /// Who is asking is not proven.
    Unauthenticated,
    /// The other side (disk, database, server) does not work now.
    Unavailable,
    /// Not offered.
    Unsupported,
}

/// Whether the same thing tried again may succeed; decided where the error is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// It will fail again until somebody changes something.
    Never,
    /// It may succeed later.
    Later,
    /// It may succeed after this time.
    After(Duration),
}

/// An error with its verdict. `Display` is the one sentence for whoever asked and never repeats
/// the source; [`Error::chain`] is for the log.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    retry: Retry,
    message: String,
    help: Option<String>,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `message` is lowercase, without full stop, and fit to be shown to a partner.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retry = match kind {
            Kind::Limit | Kind::Timeout | Kind::Unavailable => Retry::Later,
            Kind::AlreadyExists
            | Kind::Bug
            | Kind::Conflict
            | Kind::Invalid
            | Kind::NotFound
            | Kind::Refused
            | Kind::Unauthenticated
            | Kind::Unsupported => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            message: message.into(),
            help: None,
            operation: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// What was being done, as a verb phrase for the log.
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// The remedy, as a sentence of its own.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// A fact for the log; never a secret.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Overrides the retry verdict that the kind implies.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The underlying error, for the log only.
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What edges branch on.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether trying again may help.
    pub fn retry_verdict(&self) -> Retry {
        self.0.retry
    }

    /// The sentence a partner or operator may read.
    pub fn public_message(&self) -> &str {
        &self.0.message
    }

    /// The remedy, if one is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Everything known, on one line, for the log and the operator's terminal.
    pub fn chain(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        if let Some(operation) = self.0.operation {
            let _ = write!(text, "{operation}: ");
        }
        text.push_str(&self.0.message);
        for (name, value) in &self.0.context {
            let _ = write!(text, " [{name}={value}]");
        }
        let mut next = self
            .0
            .source
            .as_deref()
            .map(|source| source as &dyn std::error::Error);
        while let Some(source) = next {
            let _ = write!(text, ": {source}");
            next = source.source();
        }
        text
    }

    /// An I/O error of our own machinery, sorted by whether trying again can help.
    pub fn io(operation: &'static str, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind is std's and open-ended"
        )]
        let (kind, message) = match source.kind() {
            ErrorKind::NotFound => (Kind::NotFound, "no such file or folder"),
            ErrorKind::AlreadyExists => (Kind::AlreadyExists, "that name is already taken"),
            ErrorKind::DirectoryNotEmpty => (Kind::Conflict, "the folder is not empty"),
            ErrorKind::NotADirectory => (Kind::NotFound, "a part of the path is not a folder"),
            ErrorKind::IsADirectory => (Kind::Conflict, "that name is a folder"),
            ErrorKind::PermissionDenied => (
                Kind::Unavailable,
                "the server may not touch that file or folder",
            ),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => (
                Kind::Limit,
                "the server has no space left; please try again later",
            ),
            ErrorKind::CrossesDevices => (Kind::Refused, "links are not followed here"),
            ErrorKind::TimedOut => (Kind::Timeout, "the server took too long"),
            _ => (
                Kind::Unavailable,
                "the server could not read or write; please try again later",
            ),
        };
        Self::new(kind, message).during(operation).source(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
