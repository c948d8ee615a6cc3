//! Identifiers. Names given by people are newtypes over strings; ids given by us are ULIDs,
//! digests or ledger sequence numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use ulid::Ulid;

use crate::{Error, Kind};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// 1 to 64 of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit.
            pub fn parse(text: &str) -> Result<Self, Error> {
                parse_label(text).map(|()| Self(text.to_owned()))
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The login of a partner; also the SSH user name.
    AccountName
);
name_type!(
    /// A bucket of the configuration.
    BucketName
);
name_type!(
    /// A declaration of the configuration.
    DeclarationName
);
name_type!(
    /// A destination of the configuration.
    DestinationName
);
name_type!(
    /// An encryption key of the configuration.
    EncryptionKeyName
);
name_type!(
    /// An expectation of the configuration.
    ExpectationName
);
name_type!(
    /// A node: one run of the program with a data folder of its own.
    NodeName
);
name_type!(
    /// A notifier of the configuration.
    NotifierName
);
name_type!(
    /// An outside organisation.
    PartnerName
);
name_type!(
    /// A route of the configuration.
    RouteName
);

impl DestinationName {
    /// The destination that a route looked up by `key`. The configuration cannot have one of that
    /// name: `/` is in none of them.
    pub fn looked_up(route: &RouteName, key: &str) -> Self {
        Self(format!("{route}/{key}"))
    }

    /// The route and the key that [`DestinationName::looked_up`] made the name of.
    pub fn as_looked_up(&self) -> Option<(RouteName, &str)> {
        let (route, key) = self.0.split_once('/')?;
        Some((RouteName::parse(route).ok()?, key))
    }

    /// From a row of the ledger, where names of both kinds are.
    pub fn recorded(text: &str) -> Result<Self, Error> {
        match text.split_once('/') {
            None => Self::parse(text),
            Some((route, key)) => RouteName::parse(route).map(|route| Self::looked_up(&route, key)),
        }
    }
}

fn parse_label(text: &str) -> Result<(), Error> {
    let well_formed = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && text.as_bytes()[0].is_ascii_alphanumeric();
    if well_formed {
        return Ok(());
    }
    Err(Error::new(
        Kind::Invalid,
        format!("`{}` is not a valid name", text.escape_debug()),
    )
    .help("use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"))
}

/// One immutable sequence of bytes that was received.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VersionId(Ulid);

impl VersionId {
    /// From the time of receipt and 80 random bits; uniqueness is the caller's randomness.
    pub fn from_parts(milliseconds: u64, random: u128) -> Self {
        Self(Ulid::from_parts(milliseconds, random))
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VersionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ulid::from_string(text).map(Self).map_err(|e| {
            Error::new(
                Kind::Invalid,
                format!("`{}` is not a version id", text.escape_debug()),
            )
            .with("reason", e)
        })
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Where an arrival stands in the order of things: given by the ledger, never a timestamp.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ArrivalSeq(pub i64);

impl fmt::Display for ArrivalSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a name operation stands in the order of its key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationSeq(pub i64);

/// A revision of the configuration, counted from 1.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevisionNumber(pub i64);

impl fmt::Display for RevisionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Deterministic: the same version, route and destination always give the same delivery.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeliveryId([u8; 16]);

impl DeliveryId {
    /// Hash of version, route and destination (lengths included, so that no two triples collide).
    pub fn derive(version: VersionId, route: &RouteName, destination: &DestinationName) -> Self {
        let version = version.to_string();
        let parts = [version.as_str(), route.as_str(), destination.as_str()];
        Self::hash(b"quaymaster delivery 1\0", &parts)
    }

    /// The same for a version that the route fired for before and that has another name since.
    pub fn derive_renamed(
        version: VersionId,
        route: &RouteName,
        destination: &DestinationName,
        by: OperationSeq,
    ) -> Self {
        let (version, by) = (version.to_string(), by.0.to_string());
        let parts = [
            version.as_str(),
            route.as_str(),
            destination.as_str(),
            by.as_str(),
        ];
        Self::hash(b"quaymaster renamed delivery 1\0", &parts)
    }

    /// The delivery that takes away what this one put there; a cause makes one of it.
    pub fn removal(self, cause: &str) -> Self {
        Self::hash(b"quaymaster removal 1\0", &[&self.to_string(), cause])
    }

    fn hash(what: &[u8], parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(what);
        for part in parts {
            hasher.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let digest = hasher.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeliveryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|e| {
            Error::new(
                Kind::Invalid,
                format!("`{}` is not a delivery id", text.escape_debug()),
            )
            .help("a delivery id is 32 hexadecimal digits; `quaymaster delivery list` shows them")
            .source(e)
        })?;
        Ok(Self(id))
    }
}

/// The SHA-256 of a version's bytes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest)
            .map_err(|e| Error::new(Kind::Invalid, "not a SHA-256 in hexadecimal").source(e))?;
        Ok(Self(digest))
    }
}
