//! Where `secret:NAME` is looked up, at the moment of use: a file may be replaced while the node
//! runs. No secret is in a log line, an error or the ledger (INV-7).

use qm_core::config::SecretName;
use qm_core::ports::access::{Secret, Secrets};
use qm_core::{Error, Kind, Result};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// An environment variable `QUAYMASTER_SECRET_SMTP_PASSWORD` is the secret `smtp-password`.
pub const SECRET_VARIABLE_PREFIX: &str = "QUAYMASTER_SECRET_";
/// More is not a password, a token or a key but a wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Read or write by group or others.
const OPEN_TO_OTHERS: u32 = 0o077;

/// The folder first, then the environment.
#[derive(Debug, Default)]
pub struct SecretStores {
    /// Looked at first.
    pub folder: Option<FolderSecrets>,
    /// Looked at if the folder has no file of that name.
    pub environment: EnvironmentSecrets,
}

/// A folder with one file a secret, as systemd credentials and container secrets are.
#[derive(Debug)]
pub struct FolderSecrets {
    folder: PathBuf,
}

/// Secrets handed over in environment variables.
#[derive(Default)]
pub struct EnvironmentSecrets {
    by_variable: HashMap<String, Secret>,
}

impl Secrets for SecretStores {
    fn get(&self, name: &SecretName) -> Result<Secret> {
        check_name(name)?;
        if let Some(folder) = &self.folder
            && let Some(secret) = folder.find(name)?
        {
            return Ok(secret);
        }
        if let Some(secret) = self.environment.find(name) {
            return checked(name, secret.clone());
        }
        let variable = variable_of(name);
        let help = match &self.folder {
            Some(folder) => format!(
                "put it into the file {} (mode 600) or the environment variable {variable}",
                folder.file_of(name).display()
            ),
            None => format!(
                "put it into the environment variable {variable}, or set `secrets` in [node] to a folder with a file `{}`",
                name.0
            ),
        };
        Err(Error::new(Kind::NotFound, format!("there is no secret `{}`", name.0)).help(help))
    }
}

impl FolderSecrets {
    /// The files of this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The secret in the file of that name; `None` if there is no such file.
    fn find(&self, name: &SecretName) -> Result<Option<Secret>> {
        let path = self.file_of(name);
        let fail =
            |error: std::io::Error| Error::io("read a secret", error).with("file", path.display());
        // Asked before opening: opening a pipe would wait for its writer.
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() => {
                return Err(unusable(&path, "is not a file"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        }
        let file = File::open(&path).map_err(fail)?;
        let mode = file.metadata().map_err(fail)?.permissions().mode();
        if mode & OPEN_TO_OTHERS != 0 {
            let why = format!("may be read or changed by others (mode {:o})", mode & 0o777);
            return Err(unusable(&path, &why).help(format!("chmod 600 {}", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(SECRET_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > SECRET_BYTES_MAX) {
            return Err(unusable(&path, "is longer than 64 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| unusable(&path, "is not UTF-8 text"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        checked(name, Secret::new(text.to_owned())).map(Some)
    }

    fn file_of(&self, name: &SecretName) -> PathBuf {
        self.folder.join(&name.0)
    }
}

impl EnvironmentSecrets {
    /// Takes the variables that begin with [`SECRET_VARIABLE_PREFIX`] out of an environment.
    /// Refuses one that is not UTF-8 text rather than leaving it out.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self> {
        let mut by_variable = HashMap::new();
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            if !variable.starts_with(SECRET_VARIABLE_PREFIX) {
                continue;
            }
            let value = value.into_string().map_err(|_| {
                Error::new(
                    Kind::Invalid,
                    format!("the environment variable {variable} is not UTF-8 text"),
                )
            })?;
            by_variable.insert(variable.to_owned(), Secret::new(value));
        }
        Ok(Self { by_variable })
    }

    fn find(&self, name: &SecretName) -> Option<&Secret> {
        self.by_variable.get(&variable_of(name))
    }
}

impl std::fmt::Debug for EnvironmentSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_variable.keys()).finish()
    }
}

/// The variable that holds the secret: upper case, `_` for what a variable's name cannot hold.
fn variable_of(name: &SecretName) -> String {
    let upper: String = name
        .0
        .chars()
        .map(|c| match c {
            '-' | '.' => '_',
            other => other.to_ascii_uppercase(),
        })
        .collect();
    format!("{SECRET_VARIABLE_PREFIX}{upper}")
}

/// A name that leads out of the folder must not even be looked for.
fn check_name(name: &SecretName) -> Result<()> {
    let text = &name.0;
    let is_well_formed = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_well_formed {
        return Ok(());
    }
    Err(Error::new(
        Kind::Invalid,
        format!("`{}` is not a name for a secret", text.escape_debug()),
    )
    .help("use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"))
}

/// An empty credential is never used (INV-2).
fn checked(name: &SecretName, secret: Secret) -> Result<Secret> {
    if secret.reveal().is_empty() {
        return Err(Error::new(
            Kind::Invalid,
            format!("the secret `{}` is empty", name.0),
        ));
    }
    Ok(secret)
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::new(
        Kind::Invalid,
        format!("the secret's file {} {why}", path.display()),
    )
}
