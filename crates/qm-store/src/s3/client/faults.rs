//! What the store answered, in the words of the house.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use qm_core::{Error, Kind};

/// Sorts what a caller decides on; the rest is as for every AWS service.
pub(super) fn s3_error<E>(
    operation: &'static str,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    move |error| {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let found = match (qm_aws::code(&error), status) {
            (Some("NoSuchBucket"), _) => {
                Error::new(Kind::Unavailable, "the storage service has no such bucket")
                    .help("make the bucket, or correct its name in the configuration")
            }
            (Some("NotImplemented"), _) | (_, Some(501)) => {
                Error::new(Kind::Unsupported, "the storage service cannot do this")
            }
            (Some("NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" | "NotFound"), _)
            | (_, Some(404)) => Error::new(Kind::NotFound, "no such file or folder"),
            (
                Some(
                    "PreconditionFailed"
                    | "ConditionalRequestConflict"
                    | "OperationAborted",
                ),
                _,
            )
            | (_, Some(409 | 412)) => {
                Error::new(Kind::Conflict, "somebody else changed the file meanwhile")
            }
            (Some("PermanentRedirect" | "AuthorizationHeaderMalformed"), _) | (_, Some(301)) => {
                Error::new(Kind::Unavailable, "the bucket is in another region")
                    .help("write the bucket's region into the configuration")
            }
            (Some("KeyTooLongError"), _) => Error::new(Kind::Invalid, "that name is too long"),
            // Answers to HEAD have no body that could say it.
            (None, Some(400 | 403)) => Error::new(
                Kind::Unavailable,
                "the storage service refuses access: the credentials have expired, or may not do this",
            )
            .help("renew the credentials, or give them the rights that this needs"),
            _ => return qm_aws::fault(operation, error),
        };
        let code = qm_aws::code(&error).unwrap_or_default().to_owned();
        found.during(operation).with("code", code).source(error)
    }
}

/// `None` when there is nothing; every other failure stays one.
pub(super) fn if_there<T>(result: qm_core::Result<T>) -> qm_core::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An answer without what every S3 answers.
pub(super) fn incomplete(operation: &'static str, lacks: &'static str) -> Error {
    Error::new(
        Kind::Unavailable,
        "the storage service gave an answer that could not be read",
    )
    .during(operation)
    .with("lacks", lacks)
}
