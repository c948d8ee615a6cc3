//! What DynamoDB says when it does not do what it was asked, and what can be done about it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use qm_core::{Error, Kind, Retry};

/// A condition of a request does not hold.
pub(super) const CONDITION: &str = "ConditionalCheckFailedException";
/// No table of this name.
pub(super) const NO_TABLE: &str = "ResourceNotFoundException";
/// A table of this name is there already, or is being made.
pub(super) const IN_USE: &str = "ResourceInUseException";

/// Too much was asked, or too little capacity is there: later it may go.
const THROTTLES: &[&str] = &[
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];
/// The same request may go at once: somebody's transaction had the item, or a machine over there
/// stumbled.
const STUMBLES: &[&str] = &[
    "InternalFailure",
    "InternalServerError",
    "ReplicatedWriteConflictException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// A request that failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Fewer requests, please.
    Throttled(Error),
    /// No answer, or none that says anything: the request may have had its effect.
    Lost(Error),
    /// Asked again, it fails again.
    Final(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Throttled(error) | Trouble::Lost(error) | Trouble::Final(error) => error,
        }
    }
}

/// Sorts what came of a request to `table`.
pub(super) fn trouble<E, R>(operation: &'static str, table: &str, error: SdkError<E, R>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Some(code) = qm_aws::code(&error).map(str::to_owned) else {
        return Trouble::Lost(unreachable(error).during(operation));
    };
    let said = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::message)
        .unwrap_or_default()
        .to_owned();
    let dressed = |found: Error| found.with("code", &code).during(operation);
    if THROTTLES.contains(&code.as_str()) {
        return Trouble::Throttled(dressed(throttled(table)).source(error));
    }
    if STUMBLES.contains(&code.as_str()) {
        let found = Error::new(
            Kind::Unavailable,
            "DynamoDB could not do this; please try again later",
        );
        return Trouble::Lost(dressed(found).source(error));
    }
    let found = match code.as_str() {
        NO_TABLE => no_table(table),
        CONDITION => Error::new(Kind::Conflict, "somebody else changed the same item first"),
        "ItemCollectionSizeLimitExceededException" => Error::new(
            Kind::Limit,
            format!("table `{table}` holds as much under one partition as DynamoDB allows"),
        )
        .retry(Retry::Never),
        "ValidationException" | "SerializationException" => Error::new(
            Kind::Invalid,
            format!("DynamoDB does not take this for table `{table}`: {said}"),
        ),
        // Rights and credentials are renewed without us; what nobody knows may pass as well.
        _ => return Trouble::Final(qm_aws::fault(operation, error)),
    };
    Trouble::Final(dressed(found).source(error))
}

/// The error of a request that is not asked again.
pub(super) fn fault<E, R>(operation: &'static str, table: &str, error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    trouble(operation, table, error).into()
}

/// Whoever counts throttled loads finds them by this kind.
pub(super) fn throttled(table: &str) -> Error {
    Error::new(
        Kind::Limit,
        format!("DynamoDB takes no more requests for table `{table}` for now"),
    )
    .help("raise the table's capacity, or let it be billed by request")
}

/// It may be on its way, so it's tried again.
pub(super) fn no_table(table: &str) -> Error {
    Error::new(Kind::NotFound, format!("there is no table `{table}`"))
        .help("make it, or write `create = true` at the destination")
        .retry(Retry::Later)
}

/// True if the service says this.
pub(super) fn says<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    qm_aws::code(error) == Some(code)
}

fn unreachable<E, R>(error: SdkError<E, R>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let found = match &error {
        SdkError::TimeoutError(_) => Error::new(Kind::Timeout, "DynamoDB took too long to answer"),
        SdkError::ConstructionFailure(_) => Error::new(
            Kind::Unavailable,
            "the request to DynamoDB could not be made",
        )
        .help("look for credentials: environment, profile, web identity or instance role"),
        SdkError::DispatchFailure(_) => Error::new(Kind::Unavailable, "DynamoDB cannot be reached")
            .help("check endpoint, network and credentials"),
        SdkError::ServiceError(_) | SdkError::ResponseError(_) | _ => Error::new(
            Kind::Unavailable,
            "DynamoDB gave an answer that could not be read",
        ),
    };
    found.source(error)
}
