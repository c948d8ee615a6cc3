//! `[destination.NAME]`: where deliveries go and how much at a time.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{AwsAccess, SecretName, Table};
use crate::Result;
use crate::alarm::Alarms;
use crate::id::BucketName;
use crate::name::{ObjectKey, Prefix};
use crate::template::{Facts, Template};
use crate::window::Windows;

/// Where deliveries go.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Destination {
    /// The place.
    pub place: DestinationPlace,
    /// The name at the place, relative to it, as the configuration says; `None` for the key
    /// without [`Destination::strip`].
    pub name: Option<Template>,
    /// What is cut off the front of the key before it becomes the name: a leading folder.
    pub strip: Prefix,
    /// How much it is given at a time.
    pub limits: DestinationLimits,
    /// What somebody is told of that the numbers say.
    #[serde(default)]
    pub alarms: Alarms,
}

impl Destination {
    /// The name of a new delivery at the place: relative to it, never one that climbs. A key that
    /// is not below [`Destination::strip`] is kept whole. What goes into a table has the table's name,
    /// so that its loads take turns.
    pub fn target(&self, facts: &Facts<'_>) -> Result<String> {
        match &self.place {
            DestinationPlace::Directory(_)
            | DestinationPlace::Bucket(_)
            | DestinationPlace::Sftp(_) => {}
            DestinationPlace::Table(table) => return Ok(table.table.clone()),
        }
        let key = &facts.path.key;
        match &self.name {
            None => Ok(key
                .relative_to(&self.strip)
                .unwrap_or_else(|| key.as_str())
                .to_owned()),
            Some(name) => {
                let rendered = name.render(facts)?;
                ObjectKey::parse(&rendered)
                    .map_err(|error| error.during("naming the file at the destination"))?;
                Ok(rendered)
            }
        }
    }
}

/// The place of a destination.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as a configuration has destinations"
)]
pub enum DestinationPlace {
    /// A folder of this machine, such as a mounted share.
    Directory(Directory),
    /// A bucket of the configuration.
    Bucket(BucketDestination),
    /// An SFTP server.
    Sftp(Sftp<SecretName>),
    /// A table.
    Table(Box<Table<SecretName>>),
}

impl DestinationPlace {
    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table<SecretName>> {
        match self {
            Self::Directory(_) | Self::Bucket(_) | Self::Sftp(_) => None,
            Self::Table(table) => Some(table),
        }
    }
}

/// How much a destination is given at a time, by one node.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DestinationLimits {
    /// Most deliveries at a time.
    pub concurrency: u32,
    /// Most bytes a second, over all its deliveries; `None` for as many as there are.
    pub bytes_per_second: Option<u64>,
    /// When nothing is begun.
    pub closed: Option<Windows>,
    /// When it is left alone because it fails.
    pub breaker: BreakerPolicy,
}

/// After so many failures in a row a destination is left alone for a while; then one delivery
/// tries whether it works again.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct BreakerPolicy {
    /// Failures in a row; refusals of one file do not count.
    pub failures: u32,
    /// How long it is left alone.
    pub pause: Duration,
}

/// A folder of this machine.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Directory {
    /// The folder; it must exist.
    pub folder: PathBuf,
    /// Owner of files and folders made.
    pub uid: Option<u32>,
    /// Group of files and folders made.
    pub gid: Option<u32>,
    /// Permissions of files.
    pub mode: u32,
    /// Permissions of folders made.
    pub folder_mode: u32,
}

/// A bucket of the configuration as a destination: the version's bytes become an object there,
/// copied by the store where it can.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BucketDestination {
    /// The bucket; on S3 its role, endpoint and encryption are its own.
    pub bucket: BucketName,
    /// Where in it the names begin.
    pub prefix: Prefix,
    /// S3: the owner of the bucket gets the object (`bucket-owner-full-control`).
    pub owner_full_control: bool,
}

/// An SFTP server. `S` is a secret's name in the configuration and the secret itself where it is
/// used.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Sftp<S> {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// With what; at least one is given. The private key (OpenSSH, PEM or PuTTY) is tried first.
    pub private_key: Option<S>,
    /// Opens the private key.
    pub passphrase: Option<S>,
    /// The password.
    pub password: Option<S>,
    /// The only host keys that are believed: lines as in `known_hosts` without the host
    /// (`ssh-ed25519 AAAA…`) or fingerprints (`SHA256:…`). Several while a server's key changes.
    pub host_keys: Vec<String>,
    /// The remote folder; relative to where the login lands unless it begins with `/`.
    pub folder: Template,
    /// Make the folders that are missing.
    pub create_folders: bool,
    /// By way of this proxy.
    pub proxy: Option<Proxy<S>>,
    /// Connect from this address of the machine.
    pub source_address: Option<IpAddr>,
}

/// A proxy for outgoing connections.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Proxy<S> {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password there.
    pub login: Option<(String, S)>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum ProxyKind {
    /// SOCKS version 5.
    Socks5,
    /// HTTP with CONNECT.
    HttpConnect,
}

/// Where secrets that are looked up by a template lie.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum SecretStore {
    /// The folder of the node, then the environment.
    #[default]
    Node,
    /// AWS Secrets Manager.
    Aws(AwsAccess),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ObjectPath;
    use crate::{Error, Kind};

    #[track_caller]
    fn check(name: Option<&str>, strip: &str, key: &str, expect: Result<&str, Kind>) {
        let destination = Destination {
            place: DestinationPlace::Bucket(BucketDestination {
                bucket: BucketName::parse("out").unwrap(),
                prefix: Prefix::default(),
                owner_full_control: false,
            }),
            name: name.map(|name| Template::parse(name).unwrap()),
            strip: Prefix::parse(strip).unwrap(),
            limits: DestinationLimits {
                concurrency: 1,
                bytes_per_second: None,
                closed: None,
                breaker: BreakerPolicy {
                    failures: 1,
                    pause: Duration::from_secs(1),
                },
            },
            alarms: Alarms::default(),
        };
        let path = ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        };
        let target = destination.target(&Facts {
            path: &path,
            partner: None,
            arrived_at: jiff::Timestamp::UNIX_EPOCH,
        });
        assert_eq!(target.as_deref().map_err(Error::kind), expect);
    }

    #[test]
    fn targets() {
        let key = "north/in/a.csv";
        check(None, "", key, Ok(key));
        check(None, "north", key, Ok("in/a.csv"));
        check(None, "nor", key, Ok(key));
        let dated = Some("{arrived:%Y}/{name}");
        check(dated, "north", key, Ok("1970/a.csv"));
        check(Some("{partner}/x"), "", key, Err(Kind::Refused));
        check(Some("x/{stem}"), "", "north/...csv", Err(Kind::Invalid));
        check(Some("/etc/{name}"), "", key, Err(Kind::Invalid));
        check(Some("../{name}"), "", key, Err(Kind::Invalid));
    }
}
