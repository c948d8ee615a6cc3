//! AWS Secrets Manager. The tags are asked for first; what is fetched then is the version that was
//! described, by the ARN that was described: a secret that is made anew under the name meanwhile
//! has another one.

mod faults;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

use super::checked;
use super::tags::{self, Tags};
use faults::{Call, fault};
use qm_core::config::AwsAccess;
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};

/// It answers within milliseconds; a delivery must not wait for one that does not.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// All repetitions together.
const CALLS_TIMEOUT: Duration = Duration::from_secs(20);
/// The label of the version in use.
const CURRENT: &str = "AWSCURRENT";

/// Secrets in AWS Secrets Manager. A client, with its connections, is kept for each way to reach it,
/// of which there are as many as revisions of the configuration named; no secret is kept.
#[derive(Default)]
pub struct AwsSecrets {
    clients: Mutex<BTreeMap<AwsAccess, Arc<OnceCell<Client>>>>,
}

/// What is to be fetched.
struct Wanted {
    secret: String,
    version: Option<String>,
}

impl AwsSecrets {
    /// The secret, if it carries the tags. The name was checked.
    pub(super) async fn look_up(
        &self,
        access: &AwsAccess,
        name: &str,
        required: &Tags,
    ) -> Result<Secret> {
        let client = self.client(access).await?;
        let wanted = if required.is_empty() {
            Wanted {
                secret: name.to_owned(),
                version: None,
            }
        } else {
            described(&client, name, required).await?
        };
        let answer = client
            .get_secret_value()
            .secret_id(wanted.secret)
            .set_version_id(wanted.version)
            .send()
            .await
            .map_err(|error| fault(name, Call::GetSecretValue, error))?;
        let text = answer.secret_string.ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                format!("the secret `{name}` of AWS Secrets Manager holds binary bytes, not text"),
            )
            .help("store it as a secret string")
        })?;
        checked(name, Secret::new(text))
    }

    async fn client(&self, access: &AwsAccess) -> Result<Client> {
        let cell = Arc::clone(self.clients.lock().entry(access.clone()).or_default());
        cell.get_or_try_init(|| open(access)).await.cloned()
    }
}

impl fmt::Debug for AwsSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.clients.lock().keys()).finish()
    }
}

async fn open(access: &AwsAccess) -> Result<Client> {
    let shared = qm_aws::sdk_config(access).await?;
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(CALL_TIMEOUT)
        .operation_timeout(CALLS_TIMEOUT)
        .build();
    let config = aws_sdk_secretsmanager::config::Builder::from(&shared).timeout_config(timeouts);
    Ok(Client::from_conf(config.build()))
}

async fn described(client: &Client, name: &str, required: &Tags) -> Result<Wanted> {
    let found = client
        .describe_secret()
        .secret_id(name)
        .send()
        .await
        .map_err(|error| fault(name, Call::DescribeSecret, error))?;
    let help = "add the tag to the secret in AWS Secrets Manager if it may be used here".to_owned();
    tags::check(name, &tags_of(&found), required, help)?;
    let current = found
        .version_ids_to_stages()
        .into_iter()
        .flatten()
        .find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT))
        .map(|(version, _)| version.clone());
    match (found.arn, current) {
        (Some(arn), Some(version)) => Ok(Wanted {
            secret: arn,
            version: Some(version),
        }),
        (None, _) | (_, None) => Err(Error::new(
            Kind::NotFound,
            format!("the secret `{name}` of AWS Secrets Manager has no current value"),
        )
        .help("store a value in it")),
    }
}

fn tags_of(found: &DescribeSecretOutput) -> Tags {
    found
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
        .collect()
}
