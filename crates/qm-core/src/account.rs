//! Accounts: who may log in, from where, what they see as their root and what they may do there.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::config::Declaration;
use crate::file_type::FileType;
use crate::id::{AccountName, BucketName, DeclarationName, PartnerName};
use crate::name::{MailboxPath, ObjectKey, ObjectPath, Prefix};
use crate::screen::NamePattern;
use crate::{Error, Kind, Result};

/// One login of a partner.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Account {
    /// Also the SSH user name; unique over all partners.
    pub name: AccountName,
    /// Whose login it is.
    pub partner: PartnerName,
    /// Keys from the configuration; keys added while running are in the ledger.
    pub ssh_keys: Vec<SshPublicKey>,
    /// Where logins may come from; empty means anywhere.
    pub networks: Vec<IpNet>,
    /// What the account sees of a bucket.
    pub mailbox: MailboxRoot,
    /// The path under which the account sees it: `/`, or that of a server which it was used to.
    #[serde(default)]
    pub home: Prefix,
    /// What it may do there.
    pub may: BTreeSet<Verb>,
    /// Extensions it may upload; `None` means any.
    pub types: Option<Vec<FileType>>,
    /// Temp-name suffixes besides the built-in ones.
    pub temp_suffixes: Vec<String>,
    /// What the rows of files must be, by their names; the first that matches counts.
    #[serde(default)]
    pub declare: Vec<Declared>,
}

/// Files whose rows must be as declared, or they are refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Declared {
    /// Which files.
    pub files: NamePattern,
    /// The declaration's name, for people.
    pub name: DeclarationName,
    /// What their rows are.
    pub rows: Declaration,
}

/// The bucket folder an account sees as `/`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MailboxRoot {
    /// The bucket.
    pub bucket: BucketName,
    /// The folder in it; may be the bucket's root.
    pub prefix: Prefix,
}

/// What an account may do in its mailbox.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Remove files and empty folders.
    Delete,
    /// See names, sizes and times.
    List,
    /// Make folders.
    Mkdir,
    /// Replace a file that is there.
    Overwrite,
    /// Download.
    Read,
    /// Give a file another name (completing an upload under a temp name needs only `write`).
    Rename,
    /// Upload files that are not there yet.
    Write,
}

impl Verb {
    /// All verbs, in the order in which documents list them.
    pub const ALL: [Self; 7] = [
        Self::List,
        Self::Read,
        Self::Write,
        Self::Overwrite,
        Self::Delete,
        Self::Rename,
        Self::Mkdir,
    ];
    /// What an account may do when the configuration does not say.
    pub const DEFAULT: [Self; 4] = [Self::List, Self::Read, Self::Write, Self::Overwrite];

    /// As written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::List => "list",
            Self::Mkdir => "mkdir",
            Self::Overwrite => "overwrite",
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Write => "write",
        }
    }

    /// From the configuration's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Account {
    /// Refuses what the account may not do, in words for its owner.
    pub fn check(&self, verb: Verb) -> Result<()> {
        if self.may.contains(&verb) {
            return Ok(());
        }
        let sentence = match verb {
            Verb::Delete => "your account may not delete files",
            Verb::List => "your account may not list files",
            Verb::Mkdir => "your account may not make folders",
            Verb::Overwrite => {
                "a file with this name is already here and your account may not replace it"
            }
            Verb::Read => "your account may not download files",
            Verb::Rename => "your account may not rename files",
            Verb::Write => "your account may not upload files",
        };
        Err(Error::new(Kind::Refused, sentence).with("rule", format!("may {verb}")))
    }

    /// Refuses a file whose (final) name has an extension the account may not upload.
    pub fn check_type(&self, final_name: &str) -> Result<()> {
        let Some(types) = &self.types else {
            return Ok(());
        };
        if FileType::of(final_name).is_some_and(|t| types.contains(&t)) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "this kind of file is not accepted here; please send {}",
                crate::file_type::listed(types)
            ),
        )
        .with("rule", "type"))
    }

    /// What the rows of a file of this (final) name must be, if anything.
    pub fn declared(&self, final_name: &str) -> Option<&Declaration> {
        self.declare
            .iter()
            .find(|declared| declared.files.matches(final_name))
            .map(|declared| &declared.rows)
    }

    /// True if a login may come from `address`.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty()
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }
}

impl MailboxRoot {
    /// The object that a path of the mailbox names; the root is a folder, not an object.
    pub fn object(&self, path: &MailboxPath) -> Result<ObjectPath> {
        let key = self
            .folder(path)?
            .as_key()
            .filter(|_| !path.is_root())
            .ok_or_else(|| Error::new(Kind::Conflict, "that name is a folder"))?;
        Ok(ObjectPath {
            bucket: self.bucket.clone(),
            key,
        })
    }

    /// The folder of the bucket that a path of the mailbox names.
    pub fn folder(&self, path: &MailboxPath) -> Result<Prefix> {
        self.prefix.descend(path)
    }

    /// True if the object lies in this mailbox.
    pub fn contains(&self, bucket: &BucketName, key: &ObjectKey) -> bool {
        *bucket == self.bucket && key.is_below(&self.prefix)
    }
}

impl fmt::Display for MailboxRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix.is_root() {
            write!(f, "{}", self.bucket)
        } else {
            write!(f, "{}/{}", self.bucket, self.prefix)
        }
    }
}

/// A public key in `OpenSSH`'s one-line form, checked. Two are equal when the key material is;
/// the comment is only for people.
#[derive(Clone, Debug)]
pub struct SshPublicKey {
    line: String,
    material: String,
}

impl SshPublicKey {
    /// Parses `ssh-ed25519 AAAA… comment`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: String| {
            Error::new(Kind::Invalid, why).help(
                "paste the one line of the partner's `.pub` file, as in `ssh-ed25519 AAAA… name@host`; \
                 PuTTYgen shows it as \"Public key for pasting into OpenSSH authorized_keys file\"",
            )
        };
        let line = text.trim();
        if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
            return Err(bad(
                "this is a private key, which must stay with its owner".to_owned()
            ));
        }
        let key = ssh_key::PublicKey::from_openssh(line)
            .map_err(|e| bad(format!("not a public key in OpenSSH's one-line form ({e})")))?;
        if let Some(rsa) = key.key_data().rsa() {
            let bits = rsa.n().as_positive_bytes().map_or(0, |n| n.len() * 8);
            if !(2048..=8192).contains(&bits) {
                return Err(bad(format!(
                    "an RSA key needs 2,048 to 8,192 bits, this one has {bits}"
                )));
            }
        }
        if key.key_data().dsa().is_some() {
            return Err(bad("DSA keys are broken and not accepted".to_owned()));
        }
        let material = line
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        Ok(Self {
            line: line.to_owned(),
            material,
        })
    }

    /// The key as it was given, comment included.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        ssh_key::PublicKey::from_openssh(&self.line)
            .map(|key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string())
            .unwrap_or_default()
    }

    /// What the owner wrote behind the key.
    pub fn comment(&self) -> &str {
        self.line
            .splitn(3, char::is_whitespace)
            .nth(2)
            .unwrap_or_default()
    }
}

impl PartialEq for SshPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.material == other.material
    }
}

impl Eq for SshPublicKey {}

impl Serialize for SshPublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.line)
    }
}

impl<'de> Deserialize<'de> for SshPublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
