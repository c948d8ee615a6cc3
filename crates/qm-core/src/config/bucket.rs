//! `[bucket.NAME]`: places for objects.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::SecretName;
use crate::id::EncryptionKeyName;
use crate::name::Prefix;

/// A place for objects.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Bucket {
    /// Where it is.
    pub place: BucketPlace,
    /// The encryption key that seals what is stored; `None` for bytes in clear.
    pub encryption_key: Option<EncryptionKeyName>,
    /// So many superseded or removed versions of a name are kept.
    pub keep_versions: u32,
    /// So long at most; `None` for ever.
    pub keep_for: Option<Duration>,
    /// How files that others put there are noticed.
    pub watch: Option<Watch>,
    /// A directory that every node sees, such as a mounted share; object stores are shared anyway.
    pub is_shared: bool,
}

/// Where a bucket is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum BucketPlace {
    /// `file:///folder`.
    Directory(PathBuf),
    /// `s3://name/prefix`: Amazon S3 or compatible.
    S3(S3Place),
    /// `gs://name/prefix`: Google Cloud Storage.
    Gcs(CloudPlace),
    /// `az://container/prefix`: Azure Blob Storage.
    Azure(CloudPlace),
}

/// The URL, as the configuration has it.
impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, bucket, prefix) = match self {
            Self::Directory(folder) => return write!(f, "file://{}", folder.display()),
            Self::S3(place) => ("s3", &place.bucket, &place.prefix),
            Self::Gcs(place) => ("gs", &place.bucket, &place.prefix),
            Self::Azure(place) => ("az", &place.bucket, &place.prefix),
        };
        if prefix.is_root() {
            write!(f, "{scheme}://{bucket}")
        } else {
            write!(f, "{scheme}://{bucket}/{prefix}")
        }
    }
}

/// A bucket of Amazon S3 or compatible.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct S3Place {
    /// Its name there.
    pub bucket: String,
    /// Where in it our keys begin.
    pub prefix: Prefix,
    /// How to reach and enter it.
    pub access: AwsAccess,
    /// The bucket's name in the path instead of the host name.
    pub path_style: bool,
    /// Encryption by the store, beside or instead of ours.
    pub encryption: S3Encryption,
    /// Checksums with every request, also where the store might not know them.
    pub checksums: bool,
    /// Tags of every object that is made there.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// How to reach an AWS service, and as whom. Credentials come from the environment, the profile,
/// the web identity or the instance.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct AwsAccess {
    /// Another endpoint than that of AWS, as a URL.
    pub endpoint: Option<String>,
    /// The region; `None` for that of the environment.
    pub region: Option<String>,
    /// The profile in the shared configuration files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
}

/// The URL of a service, without what may stand behind it; `None` for what is none.
pub fn service_url(text: &str) -> Option<&str> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && !host.contains(char::is_whitespace)
        && !host.contains('@');
    is_host.then(|| text.trim_end_matches('/'))
}

/// Encryption by the store.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum S3Encryption {
    /// What the bucket there says.
    #[default]
    BucketDefault,
    /// With keys of the store (SSE-S3).
    S3,
    /// With a key of its KMS (SSE-KMS); `None` for its default key.
    Kms(Option<String>),
}

/// A bucket of Google or Azure.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CloudPlace {
    /// Bucket or container.
    pub bucket: String,
    /// Where in it our keys begin.
    pub prefix: Prefix,
    /// Another endpoint than the public one, as a URL.
    pub endpoint: Option<String>,
    /// Azure: the storage account.
    pub account: Option<String>,
    /// The credential (Google: JSON, Azure: account key), by name; `None` for that of the
    /// environment.
    pub credential: Option<SecretName>,
}

/// How files that others put into a bucket are noticed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Watch {
    /// The bucket is listed again and again; a directory bucket on Linux is listened to as well.
    Listing {
        /// How often.
        every: Duration,
        /// A file must be unchanged for so long.
        settle: Duration,
    },
    /// S3 notifications in an SQS queue.
    Sqs {
        /// The queue's URL.
        queue: String,
        /// How to reach it.
        access: AwsAccess,
    },
}
