//! What AWS KMS answers, in plain words.

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use qm_core::error::Retry;
use qm_core::id::EncryptionKeyName;
use qm_core::{Error, Kind};

/// An error that KMS may answer with.
pub(super) trait ServiceError:
    ProvideErrorMetadata + std::error::Error + Send + Sync + 'static
{
}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> ServiceError for E {}

/// How a call ends that did not succeed.
pub(super) type CallError<E> = SdkError<E, aws_sdk_kms::config::http::HttpResponse>;

/// The SDK has tried again already where that could help.
pub(super) fn fault<E: ServiceError>(
    name: &EncryptionKeyName,
    operation: &'static str,
    error: CallError<E>,
) -> Error {
    let found = match &error {
        SdkError::ServiceError(_) => answered(name, qm_aws::code(&error).unwrap_or_default()),
        SdkError::TimeoutError(_) => {
            Error::new(Kind::Timeout, "AWS KMS took too long to answer")
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
            Error::new(Kind::Unavailable, "AWS KMS cannot be reached")
                .help("check endpoint, network, and credentials: environment, profile, web identity or instance role")
        }
        SdkError::ResponseError(_) | _ => Error::new(
            Kind::Unavailable,
            "AWS KMS gave an answer that could not be read",
        ),
    };
    let code = qm_aws::code(&error).map(str::to_owned);
    let found = match code {
        Some(code) => found.with("code", code),
        None => found,
    };
    found.during(operation).source(error)
}

fn answered(name: &EncryptionKeyName, code: &str) -> Error {
    let unavailable = |message: String| Error::new(Kind::Unavailable, message);
    match code {
        "DisabledException" => {
            unavailable(format!("encryption key `{name}` is disabled in AWS KMS"))
                .help("enable the key in AWS KMS")
        }
        "KMSInvalidStateException" => unavailable(format!(
            "encryption key `{name}` cannot be used in AWS KMS: it waits for its deletion or for its material"
        ))
        .help("if what it sealed is still needed, cancel the deletion in AWS KMS now"),
        "NotFoundException" => unavailable(format!(
            "AWS KMS does not have the key of encryption key `{name}`"
        ))
        .help("check `key_id` and `region`; after a deletion in AWS KMS what the key sealed is lost"),
        "InvalidCiphertextException" | "IncorrectKeyException" => Error::new(
            Kind::Invalid,
            "AWS KMS does not recognise the wrapped key stored with these bytes",
        ),
        "AccessDeniedException" => {
            unavailable(format!("AWS KMS refuses access to encryption key `{name}`")).help(
                "the role needs kms:GenerateDataKey and kms:Decrypt for the key",
            )
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "UnrecognizedClientException" => {
            unavailable("AWS KMS does not accept the credentials".to_owned())
                .help("renew the credentials; they are read again by themselves")
        }
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => unavailable(
            "AWS KMS asks for fewer requests; please try again later".to_owned(),
        )
        .retry(Retry::Later),
        _ => unavailable(
            "AWS KMS could not do this; please try again later".to_owned(),
        ),
    }
}
