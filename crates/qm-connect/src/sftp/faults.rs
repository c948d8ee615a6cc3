//! What a server's answers mean for a delivery. What a partner may mend is tried again.

use qm_core::{Error, Kind, Retry};
use qm_sftp_wire::Status;
use qm_sftp_wire::client::refusal;

/// `operation` on `name` ended in this error. A refusal that was answered is of this file, and the
/// destination works; only what happens to the line tells of the destination itself.
pub(super) fn fault(operation: &'static str, name: &str, error: Error) -> Error {
    let Some(status) = refusal(&error) else {
        // The line, or a server that does not speak SFTP any more: perhaps it does later.
        return error.during(operation).retry(Retry::Later);
    };
    let (kind, sentence, remedy) = match status {
        Status::NoSuchFile => (
            Kind::NotFound,
            "a folder is missing at the destination",
            "have the partner make it, or set `create_folders = true`",
        ),
        Status::PermissionDenied => (
            Kind::Refused,
            "the destination does not permit it",
            "have the partner give the login the right to write, rename and remove in the folder",
        ),
        Status::Unsupported => (
            Kind::Unsupported,
            "the destination does not offer it",
            "see the server's words in this line",
        ),
        Status::Ok | Status::Eof | Status::Failure | Status::BadMessage => (
            Kind::Refused,
            "the destination could not do it",
            "ask the partner whether there is space and whether the names are free",
        ),
    };
    Error::new(kind, sentence)
        .retry(Retry::Later)
        .during(operation)
        .with("name", name.escape_debug())
        .with("server_says", error.public_message().escape_debug())
        .source(error)
        .mended_by(remedy)
}

/// A remedy, for the terminal and for the record of the attempt.
pub(super) trait Mended {
    /// Adds it.
    fn mended_by(self, remedy: &'static str) -> Self;
}

impl Mended for Error {
    fn mended_by(self, remedy: &'static str) -> Self {
        self.with("remedy", remedy).help(remedy)
    }
}

/// True if the server answered, so that it is known what it did.
pub(super) fn is_answer(error: &Error) -> bool {
    refusal(error).is_some()
}
