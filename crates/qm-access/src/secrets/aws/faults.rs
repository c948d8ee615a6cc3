//! What AWS Secrets Manager answers, in plain words.

use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use qm_core::error::Retry;
use qm_core::{Error, Kind};

/// What is asked of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    DescribeSecret,
    GetSecretValue,
}

impl Call {
    fn operation(self) -> &'static str {
        match self {
            Self::DescribeSecret => "describe a secret in AWS Secrets Manager",
            Self::GetSecretValue => "fetch a secret from AWS Secrets Manager",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Self::DescribeSecret => "secretsmanager:DescribeSecret",
            Self::GetSecretValue => "secretsmanager:GetSecretValue",
        }
    }
}

/// The SDK has tried again already where that could help.
pub(super) fn fault<E>(name: &str, call: Call, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let found = match &error {
        SdkError::ServiceError(_) => {
            answered(name, call, qm_aws::code(&error).unwrap_or_default())
        }
        SdkError::TimeoutError(_) => {
            Error::new(Kind::Timeout, "AWS Secrets Manager took too long to answer")
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
            Error::new(Kind::Unavailable, "AWS Secrets Manager cannot be reached")
                .help("check endpoint, network, and credentials: environment, profile, web identity or instance role")
        }
        // What could not be read may have the secret in it: it goes no further.
        SdkError::ResponseError(_) | _ => {
            return Error::new(
                Kind::Unavailable,
                "AWS Secrets Manager gave an answer that could not be read",
            )
            .during(call.operation());
        }
    };
    let code = qm_aws::code(&error).map(str::to_owned);
    let found = match code {
        Some(code) => found.with("code", code),
        None => found,
    };
    found.during(call.operation()).source(error)
}

fn answered(name: &str, call: Call, code: &str) -> Error {
    let permission = call.permission();
    match code {
        "ResourceNotFoundException" => Error::new(
            Kind::NotFound,
            format!("AWS Secrets Manager has no secret `{name}`"),
        )
        .help("make it in the region that the lookup names"),
        "InvalidRequestException" => Error::new(
            Kind::NotFound,
            format!("the secret `{name}` of AWS Secrets Manager is marked for deletion"),
        )
        .help("restore it there if it is still needed"),
        "AccessDeniedException" | "AccessDenied" => Error::new(
            Kind::Refused,
            format!("AWS Secrets Manager refuses access to the secret `{name}`"),
        )
        .help(format!("the role needs {permission} for the secret")),
        "DecryptionFailure" => Error::new(
            Kind::Refused,
            format!("AWS Secrets Manager cannot decrypt the secret `{name}`"),
        )
        .help("the role needs kms:Decrypt for the secret's key, and the key must be enabled"),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "UnrecognizedClientException" => Error::new(
            Kind::Unavailable,
            "AWS Secrets Manager does not accept the credentials",
        )
        .help("renew the credentials; they are read again by themselves"),
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => Error::new(
            Kind::Unavailable,
            "AWS Secrets Manager asks for fewer requests; please try again later",
        )
        .retry(Retry::Later),
        _ => Error::new(
            Kind::Unavailable,
            "AWS Secrets Manager could not do this; please try again later",
        ),
    }
}
