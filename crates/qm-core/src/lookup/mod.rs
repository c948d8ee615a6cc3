//! What a lookup found: an SFTP server, a bucket or the name of a destination, and what may be sent
//! there. A secret is JSON, as operators of the systems that came before have it in their secret stores; an item of a table has
//! the same fields as attributes.

mod bucket;
mod destination;
mod screening;
mod way_there;

use serde_json::{Map, Value};

use crate::config::{S3Place, Sftp};
use crate::id::DestinationName;
use crate::ports::access::Secret;
use crate::screen::Screen;
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
    pub place: LookedUpPlace,
    /// What it takes, beside what the route's own screen says; it has no quarantine.
    pub screen: Screen,
    /// The name there; `None` for the name it has here, at a destination of the configuration for the
    /// one that it has there by the configuration.
    pub name: Option<Template>,
}

/// The place of a destination that was looked up.
#[derive(Clone, Debug, PartialEq)]
pub enum LookedUpPlace {
    /// A bucket on S3 that the configuration does not know.
    Bucket {
        /// Where it is.
        place: Box<S3Place>,
        /// The owner of the bucket gets the object (`bucket-owner-full-control`).
        owner_full_control: bool,
    },
    /// A destination of the configuration; see [`LookedUp::check_allowed`].
    Destination(DestinationName),
    /// An SFTP server.
    Sftp(Box<Sftp<Secret>>),
}

impl LookedUpPlace {
    /// The SFTP server, if it is one.
    pub fn as_sftp(&self) -> Option<&Sftp<Secret>> {
        match self {
            Self::Bucket { .. } | Self::Destination(_) => None,
            Self::Sftp(place) => Some(place),
        }
    }
}

/// Reads the secret. For all kinds: `kind` (`sftp`, `bucket` or `destination`; `sftp`), `names`, `regex`, `types`,
/// `min_size`, `max_size` as in a route's screen, `pattern` with `pattern_type` (`glob` or `regex`) as one more of the names, `remote_name`. For
/// `sftp`: `host`, `port` (22), `username`, `private_key`, `private_key_passphrase`, `password`, `known_hosts` (a list or
/// lines), `remote_dir` (`.`), `create_dir` (false), `proxy`, `proxy_password`, `source_address`; also the spellings
/// `Username`, `PrivateKey`, `Password`. For `bucket`: `url` and what else a bucket of the configuration on S3 has, but no
/// `profile`. For `destination`: `destination`, one of the configuration. Other fields are left alone, and an empty text is none. A list of one may be a text; numbers and truth values
/// may be texts, as consoles of secret stores write them. No error shows a value.
pub fn parse(secret: &Secret) -> Result<LookedUp> {
    if secret.reveal().len() > SECRET_BYTES_MAX {
        return Err(invalid("the secret is longer than 64 KiB"));
    }
    read(secret, "secret")
}

/// Reads an item in the same way, which was made JSON. It is as long as its table lets it be: others
/// may keep more in it.
pub fn parse_item(item: &Secret) -> Result<LookedUp> {
    read(item, "item")
}

fn read(found: &Secret, what: &'static str) -> Result<LookedUp> {
    let of: Map<String, Value> = serde_json::from_str(found.reveal()).map_err(|cause| {
        // Its own words may quote the text.
        let (line, column) = (cause.line(), cause.column());
        invalid(format!("the {what} is not an object in JSON"))
            .with("line", line)
            .with("column", column)
    })?;
    let fields = Fields { of, what };
    Ok(LookedUp {
        place: match fields.text("kind")? {
            None | Some("sftp") => LookedUpPlace::Sftp(Box::new(fields.sftp()?)),
            Some("bucket") => fields.bucket()?,
            Some("destination") => fields.destination()?,
            Some(_) => {
                return Err(fields.wrong("kind", "is none of `sftp`, `bucket` and `destination`"));
            }
        },
        screen: fields.screen()?,
        name: fields.template("remote_name")?,
    })
}

/// The fields of a secret or an item; each method knows what its field may be.
struct Fields {
    of: Map<String, Value>,
    /// The word for what has them.
    what: &'static str,
}

impl Fields {
    fn sftp(&self) -> Result<Sftp<Secret>> {
        let private_key = self.secret(&["private_key", "PrivateKey"])?;
        let password = self.secret(&["password", "Password"])?;
        if private_key.is_none() && password.is_none() {
            return Err(invalid(format!(
                "the {} has neither a `private_key` nor a `password`",
                self.what
            )));
        }
        Ok(Sftp {
            host: self.host()?,
            port: self.port()?,
            user: self.user()?,
            private_key,
            passphrase: self.secret(&["private_key_passphrase"])?,
            password,
            host_keys: self.host_keys()?,
            folder: match self.template("remote_dir")? {
                Some(folder) => folder,
                None => Template::parse(".")?,
            },
            create_folders: self.truth("create_dir")?.unwrap_or(false),
            proxy: self.proxy()?,
            source_address: self.source_address()?,
        })
    }

    fn host(&self) -> Result<String> {
        let host = self.text("host")?.ok_or_else(|| self.lacks("host"))?;
        if !is_host(host) {
            return Err(self.wrong("host", "is not a host name or an address"));
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
            .ok_or_else(|| self.wrong("port", "is not a number from 1 to 65535"))
    }

    fn user(&self) -> Result<String> {
        let user = self
            .either(&["username", "Username"])?
            .ok_or_else(|| self.lacks("username"))?;
        if user.len() > USER_BYTES_MAX || user.chars().any(char::is_control) {
            return Err(self.wrong("username", "is not a user name"));
        }
        Ok(user.to_owned())
    }

    fn secret(&self, names: &[&'static str]) -> Result<Option<Secret>> {
        let text = self.either(names)?;
        Ok(text.map(|text| Secret::new(text.to_owned())))
    }

    fn host_keys(&self) -> Result<Vec<String>> {
        let pins = host_key::parse(&self.texts("known_hosts")?.join("\n"))
            .map_err(|error| error.during("reading `known_hosts`"))?;
        if pins.is_empty() {
            return Err(host_key::none_given().during("reading `known_hosts`"));
        }
        Ok(pins)
    }

    fn truth(&self, name: &'static str) -> Result<Option<bool>> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.wrong(name, "is neither true nor false")),
        }
    }

    fn template(&self, name: &'static str) -> Result<Option<Template>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        Template::parse(text).map(Some).map_err(|error| {
            let help = error.remedy().unwrap_or_default().to_owned();
            self.wrong(name, "has a brace or a placeholder that means nothing")
                .help(help)
        })
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
            Some(_) => Err(self.wrong(name, "is not a text")),
        }
    }

    /// A list of texts; one text is a list of it.
    fn texts(&self, name: &'static str) -> Result<Vec<&str>> {
        let not_texts = || self.wrong(name, "is neither a text nor a list of texts");
        match self.given(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.as_str()]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(not_texts))
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                Err(not_texts())
            }
        }
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.of
            .get(name)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn lacks(&self, field: &'static str) -> Error {
        invalid(format!("the {} has no `{field}`", self.what))
    }

    fn wrong(&self, field: &'static str, why: &str) -> Error {
        invalid(format!("`{field}` of the {} {why}", self.what))
    }
}

fn is_host(text: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
}

fn invalid(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, sentence)
}

#[cfg(test)]
mod tests;
