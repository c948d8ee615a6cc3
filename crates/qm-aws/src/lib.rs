//! How an AWS service (or one that speaks like it) is reached, and as whom: one set-up for all
//! clients, one way to read their errors. Credentials come from where AWS's own tools look for
//! them: environment, profile, web identity, container, instance. A profile that is named goes before
//! all of them; a role may be assumed on top.

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::time::Duration;

use qm_core::config::AwsAccess;
use qm_core::{Error, Kind, Result};

/// What the services call a region nobody named: servers that only speak like AWS take any.
const ANY_REGION: &str = "us-east-1";
/// A connection that is not there after so long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The first try and its repetitions, at most; the waits between them grow from half a second.
const ATTEMPTS: u32 = 4;

/// The set-up of a client. Fails with `Invalid` if no region is known for AWS itself.
pub async fn sdk_config(access: &AwsAccess) -> Result<SdkConfig> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .app_name(app_name()?)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        );
    if let Some(profile) = &access.profile {
        let credentials = of_profile(profile, access.region.as_deref()).await;
        loader = loader
            .profile_name(profile)
            .credentials_provider(credentials);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let mut base = loader.load().await;
    if base.region().is_none() {
        if access.endpoint.is_none() {
            return Err(Error::new(Kind::Invalid, "no AWS region is known")
                .help("write `region` into the configuration, or set AWS_REGION"));
        }
        base = base.into_builder().region(Region::new(ANY_REGION)).build();
    }
    let mut builder = base.to_builder();
    if let Some(role) = &access.role {
        let credentials = assumed(&base, role, access.external_id.as_deref()).await;
        builder = builder.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    if let Some(endpoint) = &access.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    Ok(builder.build())
}

/// The error code that the service gave, if it answered at all.
pub fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
}

/// An error of a call, with what can be done about it. Codes that mean something for the caller
/// (nothing there, condition not met) are for the caller to look at first, see [`code`].
pub fn fault<E, R>(operation: &'static str, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let found = match &error {
        SdkError::TimeoutError(_) => {
            Error::new(Kind::Timeout, "the storage service took too long to answer")
        }
        SdkError::ConstructionFailure(_) => Error::new(
            Kind::Unavailable,
            "the request to the storage service could not be made",
        )
        .help("look for credentials: environment, profile, web identity or instance role"),
        SdkError::DispatchFailure(_) => {
            Error::new(Kind::Unavailable, "the storage service cannot be reached")
                .help("check endpoint, network and credentials")
        }
        SdkError::ServiceError(_) => answered(code(&error).unwrap_or_default()),
        SdkError::ResponseError(_) | _ => Error::new(
            Kind::Unavailable,
            "the storage service gave an answer that could not be read",
        ),
    };
    let context = code(&error).map(str::to_owned);
    let found = match context {
        Some(code) => found.with("code", code),
        None => found,
    };
    found.during(operation).source(error)
}

fn answered(code: &str) -> Error {
    match code {
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "Forbidden" => {
            Error::new(Kind::Unavailable, "the storage service refuses access")
                .help("give the credentials in use the rights that this needs")
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Error::new(
            Kind::Unavailable,
            "the storage service does not accept the credentials",
        )
        .help("renew the credentials; they are read again by themselves"),
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => Error::new(
            Kind::Unavailable,
            "the storage service asks for fewer requests; please try again later",
        ),
        _ => Error::new(
            Kind::Unavailable,
            "the storage service could not do this; please try again later",
        ),
    }
}

/// What is named means that one: left to the usual order, credentials in the environment, which are
/// the same for everything, would hide it.
async fn of_profile(profile: &str, region: Option<&str>) -> ProfileFileCredentialsProvider {
    let region = if let Some(region) = region {
        Some(Region::new(region.to_owned()))
    } else {
        let chain = DefaultRegionChain::builder().profile_name(profile);
        chain.build().region().await
    };
    let config = ProviderConfig::without_region().with_region(region);
    ProfileFileCredentialsProvider::builder()
        .configure(&config)
        .profile_name(profile)
        .build()
}

async fn assumed(base: &SdkConfig, role: &str, external_id: Option<&str>) -> AssumeRoleProvider {
    let mut builder = AssumeRoleProvider::builder(role)
        .configure(base)
        .session_name("quaymaster");
    if let Some(external_id) = external_id {
        builder = builder.external_id(external_id);
    }
    builder.build().await
}

fn app_name() -> Result<AppName> {
    AppName::new("quaymaster")
        .map_err(|error| Error::new(Kind::Bug, "the program's name is not allowed").source(error))
}
