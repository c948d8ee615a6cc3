//! Where `secret:NAME` is looked up, at the moment of use: a file may be replaced while the node
//! runs. No secret is in a log line, an error or the ledger (INV-7). Nothing is kept: what was
//! replaced in a store counts from the next use on.

mod aws;
mod environment;
mod folder;
mod name;
mod tags;

use async_trait::async_trait;
use std::collections::BTreeMap;

pub use aws::AwsSecrets;
pub use environment::{EnvironmentSecrets, SECRET_VARIABLE_PREFIX};
pub use folder::FolderSecrets;
use qm_core::config::{SecretName, SecretStore};
use qm_core::ports::access::{Secret, Secrets};
use qm_core::{Error, Kind, Result};

/// The folder first, then the environment; for lookups that say so, AWS Secrets Manager.
#[derive(Debug, Default)]
pub struct SecretStores {
    /// Looked at first.
    pub folder: Option<FolderSecrets>,
    /// Looked at if the folder has no file of that name.
    pub environment: EnvironmentSecrets,
    /// Only for lookups.
    pub aws: AwsSecrets,
}

#[async_trait]
impl Secrets for SecretStores {
    async fn get(&self, name: &SecretName) -> Result<Secret> {
        name::check(&name.0)?;
        if let Some(folder) = &self.folder
            && let Some(secret) = folder.find(&name.0, &BTreeMap::new()).await?
        {
            return Ok(secret);
        }
        if let Some(secret) = self.environment.find(&name.0)? {
            return Ok(secret);
        }
        Err(self.missing(&name.0, Some(environment::variable_of(&name.0))))
    }

    async fn look_up(
        &self,
        store: &SecretStore,
        name: &str,
        require_tags: &BTreeMap<String, String>,
    ) -> Result<Secret> {
        name::check_looked_up(name)?;
        match store {
            SecretStore::Node => self.look_up_here(name, require_tags).await,
            SecretStore::Aws(access) => self.aws.look_up(access, name, require_tags).await,
        }
    }
}

impl SecretStores {
    async fn look_up_here(
        &self,
        name: &str,
        require_tags: &BTreeMap<String, String>,
    ) -> Result<Secret> {
        if let Some(folder) = &self.folder
            && let Some(secret) = folder.find(name, require_tags).await?
        {
            return Ok(secret);
        }
        if let Some(secret) = self.environment.look_up(name, require_tags)? {
            return Ok(secret);
        }
        Err(self.missing(name, environment::looked_up_variable_of(name)))
    }

    fn missing(&self, name: &str, variable: Option<String>) -> Error {
        let file = self.folder.as_ref().map(|folder| folder.file_of(name));
        let help = match (file, variable) {
            (Some(file), Some(variable)) => format!(
                "put it into the file {} (mode 600) or the environment variable {variable}",
                file.display()
            ),
            (Some(file), None) => format!("put it into the file {} (mode 600)", file.display()),
            (None, Some(variable)) => format!(
                "put it into the environment variable {variable}, or set `secrets` in [node] to a folder with a file `{name}`"
            ),
            (None, None) => {
                format!("set `secrets` in [node] to a folder with a file `{name}` (mode 600)")
            }
        };
        Error::new(Kind::NotFound, format!("there is no secret `{name}`")).help(help)
    }
}

/// An empty credential is never used (INV-2).
fn checked(name: &str, secret: Secret) -> Result<Secret> {
    if secret.reveal().is_empty() {
        return Err(Error::new(
            Kind::Invalid,
            format!("the secret `{name}` is empty"),
        ));
    }
    Ok(secret)
}
