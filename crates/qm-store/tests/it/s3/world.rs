//! Buckets on servers, and what the tests do with them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;

use qm_core::config::{AwsAccess, S3Encryption, S3Place};
use qm_core::id::{BucketName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::{Bucket, Chunk, DigestBy, Entry, Staging};
use qm_core::temp_name::is_temp;
use qm_store::{Arena, S3Bucket, S3Contents, S3Limits, S3Options};

pub(super) const ACCESS_KEY: &str = "AKIDTESTTESTTESTTEST";
pub(super) const SECRET_KEY: &str = "a secret of the tests only";
pub(super) const BUCKET: &str = "landing";

/// Short enough for tests to see it pass, long enough for a busy machine.
pub(super) const LIMITS: S3Limits = S3Limits {
    answer: Duration::from_secs(2),
    work: Duration::from_secs(10),
    pause: Duration::from_millis(10),
    copy_bytes_max: 5 << 20,
};

/// A place on a server.
pub(super) fn place(endpoint: &str, bucket: &str, prefix: &str) -> S3Place {
    S3Place {
        bucket: bucket.to_owned(),
        prefix: Prefix::parse(prefix).unwrap(),
        access: AwsAccess {
            endpoint: Some(endpoint.to_owned()),
            region: Some("us-east-1".to_owned()),
            ..AwsAccess::default()
        },
        path_style: true,
        encryption: S3Encryption::BucketDefault,
        checksums: false,
        tags: BTreeMap::new(),
    }
}

/// How tests are known to servers: never by what the environment says.
pub(super) async fn sdk_config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::from_keys(ACCESS_KEY, SECRET_KEY, None))
        .load()
        .await
}

/// What other people use.
pub(super) async fn somebody_else(endpoint: &str) -> aws_sdk_s3::Client {
    let config = sdk_config(endpoint).await;
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Puts an object as somebody else would.
pub(super) async fn put_foreign(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    text: &'static str,
) {
    let put = client.put_object().bucket(bucket).key(key);
    put.body(text.as_bytes().to_vec().into())
        .send()
        .await
        .unwrap();
}

/// A bucket with what it needs on this machine.
pub(super) struct World {
    pub(super) bucket: Arc<S3Bucket>,
    pub(super) arena: Arc<Arena>,
    _spill: TempDir,
}

impl World {
    pub(super) async fn open(place: &S3Place) -> Self {
        Self::open_with(place, S3Contents::Clear).await
    }

    pub(super) async fn open_with(place: &S3Place, contents: S3Contents) -> Self {
        let spill = tempfile::tempdir().unwrap();
        let arena = Arena::open(64 << 20, spill.path()).unwrap();
        let options = S3Options {
            arena: Arc::clone(&arena),
            contents,
            limits: LIMITS,
        };
        let config = sdk_config(place.access.endpoint.as_deref().unwrap()).await;
        let bucket = S3Bucket::connect(&config, place, options).await.unwrap();
        Self {
            bucket: Arc::new(bucket),
            arena,
            _spill: spill,
        }
    }

    /// Receives a file under `path`, which will be `final_path` in the end, and publishes it.
    pub(super) async fn put_as(
        &self,
        number: u64,
        path: &str,
        final_path: &str,
        bytes: impl Into<Bytes>,
    ) -> Version {
        let version = self.receive(number, path, final_path, bytes).await;
        let publish = operation(path, Change::Publish, Some(&version));
        self.bucket.run(&publish).await.unwrap();
        version
    }

    pub(super) async fn put(&self, number: u64, path: &str, bytes: impl Into<Bytes>) -> Version {
        self.put_as(number, path, path, bytes).await
    }

    pub(super) async fn receive(
        &self,
        number: u64,
        path: &str,
        final_path: &str,
        bytes: impl Into<Bytes>,
    ) -> Version {
        let staging = Staging {
            version: VersionId::from_parts(1, number.into()),
            key: key(path),
            final_key: key(final_path),
            size_hint: None,
            envelope: None,
            digest: DigestBy::Bucket,
            deposit: None,
        };
        let mut staged = self.bucket.stage(staging).await.unwrap();
        let chunk = Chunk {
            offset: 0,
            bytes: bytes.into(),
        };
        staged.write(vec![chunk]).await.unwrap();
        let sealed = staged.seal().await.unwrap();
        Version {
            id: staged.version(),
            size_bytes: sealed.size_bytes,
            sha256: sealed.sha256,
            identity: sealed.identity,
            staged: staged.token(),
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) async fn read(&self, path: &str) -> Bytes {
        let content = self.bucket.open(&key(path)).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let piece = content.read(bytes.len() as u64, 1 << 20).await.unwrap();
            if piece.is_empty() {
                assert_eq!(bytes.len() as u64, content.size_bytes());
                return bytes.into();
            }
            bytes.extend_from_slice(&piece);
        }
    }

    pub(super) async fn is_there(&self, path: &str) -> bool {
        self.bucket.stat(&prefix(path)).await.unwrap().is_some()
    }

    pub(super) async fn list(&self, folder: &str) -> Vec<Entry> {
        let mut listing = self.bucket.list(&prefix(folder)).await.unwrap();
        let mut entries = Vec::new();
        while let Some(batch) = listing.next().await.unwrap() {
            entries.extend(batch);
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }

    pub(super) async fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.list(folder).await;
        entries.into_iter().map(|entry| entry.name).collect()
    }

    pub(super) async fn assert_no_uploads(&self) {
        assert_eq!(self.bucket.leftovers().await.unwrap(), []);
    }
}

pub(super) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(super) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

/// An operation as the ledger would return it.
pub(super) fn operation(path: &str, change: Change, version: Option<&Version>) -> Operation {
    let lands_on = match &change {
        Change::Rename { to } => to.clone(),
        Change::Publish | Change::Remove | Change::Restore => key(path),
    };
    let is_staged = version.is_some_and(|version| version.staged.is_some());
    Operation {
        seq: OperationSeq(1),
        path: ObjectPath {
            bucket: BucketName::parse("b").unwrap(),
            key: key(path),
        },
        change,
        version: version.cloned(),
        replaces: None,
        keep_aside: false,
        keep_moved: false,
        is_hidden: is_staged && is_temp(lands_on.file_name(), &[".wip".to_owned()]),
    }
}

pub(super) fn rename(path: &str, to: &str, version: Option<&Version>) -> Operation {
    operation(path, Change::Rename { to: key(to) }, version)
}

/// Bytes without a period that a part could share, up to 20 MiB.
pub(super) fn some_bytes(size_bytes: usize) -> Bytes {
    static ALL: LazyLock<Bytes> = LazyLock::new(|| {
        let rounds = (0..=u8::MAX).cycle().take((20 << 20) / 251 + 1);
        rounds
            .flat_map(|round| (0..251).map(move |place: u8| place ^ round))
            .collect()
    });
    ALL.slice(..size_bytes)
}
