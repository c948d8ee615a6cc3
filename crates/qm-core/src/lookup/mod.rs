//! What a secret that a lookup found says: an SFTP server and what may be sent there. JSON, as
//! operators of the systems that came before have it in their secret stores.

mod way_there;

use serde_json::{Map, Value};

use crate::config::Sftp;
use crate::ports::access::Secret;
use crate::screen::NamePattern;
use crate::template::Template;
use crate::{Error, Kind, Result, host_key};

/// What a secret store holds at most under a name; AWS Secrets Manager has the same limit.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// The longest host name of the DNS.
const HOST_BYTES_MAX: usize = 253;
/// Longer user names are mistakes.
const USER_BYTES_MAX: usize = 255;

/// A destination that was looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct LookedUp {
    /// The place.
    pub place: Sftp<Secret>,
    /// Which file names it takes; `None` for any.
    pub pattern: Option<NamePattern>,
    /// The name there; `None` for the name it has here.
    pub name: Option<Template>,
}

/// Reads the secret: `host`, `port` (22), `username`, `private_key`, `private_key_passphrase`, `password`,
/// `known_hosts` (a list or lines), `remote_dir` (`.`), `create_dir` (false), `pattern`, `pattern_type` (`glob` or `regex`),
/// `remote_name`, `proxy`, `proxy_password`, `source_address`; also the spellings `Username`, `PrivateKey`, `Password`. Other
/// fields are left alone, and an empty text is none. Numbers and truth values may be texts, as consoles of secret stores
/// write them. No error shows a value.
pub fn parse(secret: &Secret) -> Result<LookedUp> {
    let text = secret.reveal();
    if text.len() > SECRET_BYTES_MAX {
        return Err(invalid("the secret is longer than 64 KiB"));
    }
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|cause| {
        // Its own words may quote the text.
        let (line, column) = (cause.line(), cause.column());
        invalid("the secret is not an object in JSON")
            .with("line", line)
            .with("column", column)
    })?;
    let fields = Fields(fields);
    let private_key = fields.secret(&["private_key", "PrivateKey"])?;
    let password = fields.secret(&["password", "Password"])?;
    if private_key.is_none() && password.is_none() {
        return Err(invalid(
            "the secret has neither a `private_key` nor a `password`",
        ));
    }
    Ok(LookedUp {
        place: Sftp {
            host: fields.host()?,
            port: fields.port()?,
            user: fields.user()?,
            private_key,
            passphrase: fields.secret(&["private_key_passphrase"])?,
            password,
            host_keys: fields.host_keys()?,
            folder: match fields.template("remote_dir")? {
                Some(folder) => folder,
                None => Template::parse(".")?,
            },
            create_folders: fields.truth("create_dir")?,
            proxy: fields.proxy()?,
            source_address: fields.source_address()?,
        },
        pattern: fields.pattern()?,
        name: fields.template("remote_name")?,
    })
}

/// The fields of a secret; each method knows what its field may be.
struct Fields(Map<String, Value>);

impl Fields {
    fn host(&self) -> Result<String> {
        let host = self
            .text("host")?
            .ok_or_else(|| invalid("the secret has no `host`"))?;
        if !is_host(host) {
            return Err(wrong("host", "is not a host name or an address"));
        }
        Ok(host.to_owned())
    }

    fn port(&self) -> Result<u16> {
        let port = match self.given("port") {
            None => return Ok(22),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| u16::try_from(number).ok()),
            Some(Value::String(digits)) => digits.parse().ok(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        port.filter(|port| *port != 0)
            .ok_or_else(|| wrong("port", "is not a number from 1 to 65535"))
    }

    fn user(&self) -> Result<String> {
        let user = self
            .either(&["username", "Username"])?
            .ok_or_else(|| invalid("the secret has no `username`"))?;
        if user.len() > USER_BYTES_MAX || user.chars().any(char::is_control) {
            return Err(wrong("username", "is not a user name"));
        }
        Ok(user.to_owned())
    }

    fn secret(&self, names: &[&'static str]) -> Result<Option<Secret>> {
        let text = self.either(names)?;
        Ok(text.map(|text| Secret::new(text.to_owned())))
    }

    fn host_keys(&self) -> Result<Vec<String>> {
        let not_lines = || wrong("known_hosts", "is neither a text nor a list of texts");
        let texts: Vec<&str> = match self.given("known_hosts") {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(not_lines))
                .collect::<Result<_>>()?,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                return Err(not_lines());
            }
        };
        let pins = host_key::parse(&texts.join("\n"))
            .map_err(|error| error.during("reading `known_hosts` of the secret"))?;
        if pins.is_empty() {
            return Err(host_key::none_given().during("reading `known_hosts` of the secret"));
        }
        Ok(pins)
    }

    fn truth(&self, name: &'static str) -> Result<bool> {
        match self.given(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(_) => Err(wrong(name, "is neither true nor false")),
        }
    }

    fn template(&self, name: &'static str) -> Result<Option<Template>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        Template::parse(text).map(Some).map_err(|error| {
            let help = error.remedy().unwrap_or_default().to_owned();
            wrong(name, "has a brace or a placeholder that means nothing").help(help)
        })
    }

    fn pattern(&self) -> Result<Option<NamePattern>> {
        let is_regex = match self.text("pattern_type")? {
            None | Some("glob") => false,
            Some("regex") => true,
            Some(_) => return Err(wrong("pattern_type", "is neither `glob` nor `regex`")),
        };
        let Some(text) = self.text("pattern")? else {
            return Ok(None);
        };
        let (pattern, reason) = if is_regex {
            (NamePattern::regex(text), "is not a regular expression")
        } else {
            (NamePattern::glob(text), "cannot match a file name")
        };
        pattern.map(Some).map_err(|_| wrong("pattern", reason))
    }

    /// The first of these spellings that is there.
    fn either(&self, names: &[&'static str]) -> Result<Option<&str>> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "is not a text")),
        }
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.0
            .get(name)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }
}

fn is_host(text: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
}

fn wrong(field: &'static str, what: &str) -> Error {
    invalid(format!("`{field}` of the secret {what}"))
}

fn invalid(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, sentence)
}

#[cfg(test)]
mod tests;
