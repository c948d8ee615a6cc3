//! Secrets handed over in environment variables.

use std::collections::HashMap;
use std::ffi::OsString;

use super::checked;
use super::tags::{self, Tags};
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};

/// An environment variable `QUAYMASTER_SECRET_SMTP_PASSWORD` is the secret `smtp-password`.
pub const SECRET_VARIABLE_PREFIX: &str = "QUAYMASTER_SECRET_";
/// The end of the variable with the tags of a secret.
const TAGS_SUFFIX: &str = "_TAGS";

/// Secrets handed over in environment variables.
#[derive(Default)]
pub struct EnvironmentSecrets {
    by_variable: HashMap<String, Secret>,
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

    /// The secret of the configuration's name.
    pub(super) fn find(&self, name: &str) -> Result<Option<Secret>> {
        self.value(name, &variable_of(name))
    }

    /// The secret of a lookup, if it carries the tags.
    pub(super) fn look_up(&self, name: &str, required: &Tags) -> Result<Option<Secret>> {
        let Some(variable) = looked_up_variable_of(name) else {
            return Ok(None);
        };
        let secret = self.value(name, &variable)?;
        if secret.is_some() && !required.is_empty() {
            let variable = format!("{variable}{TAGS_SUFFIX}");
            let help = format!("set {variable} as in `key=value,key=value` if it may be used here");
            tags::check(name, &self.tags(&variable)?, required, help)?;
        }
        Ok(secret)
    }

    fn value(&self, name: &str, variable: &str) -> Result<Option<Secret>> {
        let secret = self.by_variable.get(variable);
        secret
            .map(|secret| checked(name, secret.clone()))
            .transpose()
    }

    fn tags(&self, variable: &str) -> Result<Tags> {
        let text = self.by_variable.get(variable).map_or("", Secret::reveal);
        tags::parse(text.split(',')).map_err(|number| {
            Error::new(
                Kind::Invalid,
                format!("entry {number} of the environment variable {variable} is not a tag"),
            )
            .help("write `key=value,key=value`, each key once")
        })
    }
}

impl std::fmt::Debug for EnvironmentSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_variable.keys()).finish()
    }
}

/// The variable that holds the secret: upper case, `_` for what a variable's name cannot hold.
pub(super) fn variable_of(name: &str) -> String {
    let upper: String = name
        .chars()
        .map(|c| match c {
            '-' | '.' => '_',
            other => other.to_ascii_uppercase(),
        })
        .collect();
    format!("{SECRET_VARIABLE_PREFIX}{upper}")
}

/// The variable of a lookup's secret, `__` for `/`. Only where no other name has the same one:
/// whoever names a folder must not reach another folder's secret, nor tags.
pub(super) fn looked_up_variable_of(name: &str) -> Option<String> {
    let is_exact = |part: &str| {
        part.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    };
    let is_of_tags = name.rsplit(['-', '/']).next() == Some("tags");
    (name.split('/').all(is_exact) && !is_of_tags).then(|| variable_of(&name.replace('/', "__")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_lookups_belong_to_one_name() {
        for (name, expect) in [
            ("sftp/acme", Some("SFTP__ACME")),
            ("sftp/acme-2", Some("SFTP__ACME_2")),
            ("acme", Some("ACME")),
            ("sftp/Acme", None),
            ("sftp/acme_2", None),
            ("sftp/acme.2", None),
            ("sftp/acme--2", None),
            ("sftp-/acme", None),
            ("sftp/acme-tags", None),
            ("sftp/tags", None),
        ] {
            let expect = expect.map(|rest| format!("{SECRET_VARIABLE_PREFIX}{rest}"));
            assert_eq!(looked_up_variable_of(name), expect, "{name}");
        }
    }
}
