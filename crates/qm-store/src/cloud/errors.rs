//! What the stores answer, in the words of the house.

use opendal::ErrorKind;
use std::error::Error as _;

use qm_core::{Error, Kind};

/// An error of the client library. Its own text names the URLs of requests, and that of an upload
/// in progress is as good as a password: only what the store said goes on.
pub(super) fn store_error(operation: &'static str) -> impl FnOnce(opendal::Error) -> Error {
    move |error| {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "ErrorKind is the library's and open-ended"
        )]
        let told = match error.kind() {
            ErrorKind::NotFound => Error::new(Kind::NotFound, "no such file or folder"),
            ErrorKind::ConditionNotMatch | ErrorKind::Conflict | ErrorKind::AlreadyExists => {
                Error::new(Kind::Conflict, "somebody else changed the file meanwhile")
            }
            ErrorKind::PermissionDenied => Error::new(
                Kind::Unavailable,
                "the server may not use its object storage",
            )
            .help(
                "give the credential of this bucket the right to read, write, list and delete \
                     objects, or renew it",
            ),
            ErrorKind::ConfigInvalid => Error::new(
                Kind::Invalid,
                "the settings of this bucket do not work with its object storage",
            ),
            ErrorKind::Unsupported => Error::new(
                Kind::Unsupported,
                "the object storage of this bucket cannot do that",
            ),
            _ => Error::new(
                Kind::Unavailable,
                "the server could not reach its object storage; please try again later",
            ),
        };
        told.during(operation).source(summary(&error))
    }
}

fn summary(error: &opendal::Error) -> String {
    let mut text = format!("{}: {}", error.kind(), error.message());
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::Retry;

    #[test]
    fn no_url_is_told() {
        let error = opendal::Error::new(ErrorKind::Unexpected, "500")
            .with_context("url", "https://store/upload?upload_id=secret")
            .set_source(std::io::Error::other("connection reset"));
        let told = store_error("store a file")(error);
        assert_eq!(told.kind(), Kind::Unavailable);
        assert_eq!(told.retry_verdict(), Retry::Later);
        assert!(
            told.chain().contains("connection reset"),
            "{}",
            told.chain()
        );
        assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    }
}
