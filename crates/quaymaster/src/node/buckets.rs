//! Opening the buckets of a revision. What a place is opened with stays open as long as a revision
//! has it: a directory's lock is held once, a store's connections are kept.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::stores::UploadMemory;
use crate::cli::explain;
use qm_core::config::{self, BucketPlace, CloudPlace, S3Place};
use qm_core::id::BucketName;
#[cfg(any(feature = "gcs", feature = "azure"))]
use qm_core::ports::access::Secret;
use qm_core::ports::access::Secrets;
use qm_core::ports::bucket::Bucket;
use qm_core::ports::encryption::EncryptionKeys;
use qm_store::{DirectoryBucket, Durability, S3Contents, SealedBucket};

/// The buckets that are open, by name.
#[derive(Clone, Default)]
pub(super) struct OpenBuckets(BTreeMap<BucketName, OpenBucket>);

#[derive(Clone)]
struct OpenBucket {
    place: BucketPlace,
    /// Stores sealed bytes or bytes in clear, and never changes from one to the other.
    is_sealed: bool,
    stored: Arc<dyn Bucket>,
    /// What everybody else sees: the same with the bytes in clear.
    bucket: Arc<dyn Bucket>,
}

/// Who opens buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    /// The node, which has a folder to itself or shares it with nodes.
    Node,
    /// A command that tries something, whether or not a node runs.
    Trial,
}

/// What buckets are opened with.
pub(super) struct Opener {
    pub(super) by: By,
    pub(super) durability: Durability,
    pub(super) keys: Arc<dyn EncryptionKeys>,
    /// What uploads into object stores share.
    pub(super) memory: UploadMemory,
    /// Where credentials of stores lie.
    #[cfg_attr(
        not(any(feature = "gcs", feature = "azure")),
        expect(dead_code, reason = "only those stores take secrets")
    )]
    pub(super) secrets: Arc<dyn Secrets>,
    /// How long an upload that broke off can be resumed.
    pub(super) partial_kept: Duration,
}

impl OpenBuckets {
    /// The bucket of that name.
    pub(super) fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        self.0.get(name).map(|open| Arc::clone(&open.bucket))
    }

    /// The names.
    pub(super) fn names(&self) -> Vec<BucketName> {
        self.0.keys().cloned().collect()
    }

    /// The buckets of another revision; what is open already is taken over.
    pub(super) async fn of(
        &self,
        buckets: &BTreeMap<BucketName, config::Bucket>,
        opener: &Opener,
    ) -> anyhow::Result<Self> {
        let mut opened = Self::default();
        for (name, bucket) in buckets {
            let open = self
                .open(name, bucket, opener)
                .await
                .with_context(|| format!("opening bucket {name} in {}", bucket.place))?;
            opened.0.insert(name.clone(), open);
        }
        Ok(opened)
    }

    async fn open(
        &self,
        name: &BucketName,
        bucket: &config::Bucket,
        opener: &Opener,
    ) -> anyhow::Result<OpenBucket> {
        let is_sealed = bucket.encryption_key.is_some();
        if let Some(known) = self.0.get(name) {
            known.check_change(name, bucket)?;
        }
        let known = self.0.values().find(|known| known.place == bucket.place);
        let stored = match known {
            Some(known) => Arc::clone(&known.stored),
            None => opener.store(bucket).await?,
        };
        let seen: Arc<dyn Bucket> = match &bucket.encryption_key {
            None => Arc::clone(&stored),
            Some(key) => Arc::new(SealedBucket::new(
                Arc::clone(&stored),
                Arc::clone(&opener.keys),
                key.clone(),
            )),
        };
        Ok(OpenBucket {
            place: bucket.place.clone(),
            is_sealed,
            stored,
            bucket: seen,
        })
    }
}

impl OpenBucket {
    /// Refuses what cannot change under a bucket that is in use.
    fn check_change(&self, name: &BucketName, wanted: &config::Bucket) -> anyhow::Result<()> {
        if self.place != wanted.place {
            if self.place.to_string() == wanted.place.to_string() {
                bail!(
                    "how bucket {name} in {} is reached, and what its objects get there, cannot change while the \
                     node runs: stop the node, change the configuration, start it",
                    self.place
                );
            }
            bail!(
                "bucket {name} is in {} and cannot move to {} while the node runs: stop the node, move the \
                 files, change the configuration, start it",
                self.place,
                wanted.place
            );
        }
        if self.is_sealed != wanted.encryption_key.is_some() {
            bail!(
                "bucket {name} cannot begin or cease to be sealed while the node runs: stop the node, change the \
                 configuration, start it"
            );
        }
        Ok(())
    }
}

impl Opener {
    async fn store(&self, bucket: &config::Bucket) -> anyhow::Result<Arc<dyn Bucket>> {
        let is_sealed = bucket.encryption_key.is_some();
        match &bucket.place {
            BucketPlace::Directory(folder) => {
                let opened = if self.by == By::Trial {
                    DirectoryBucket::open_beside(folder, self.durability, is_sealed)
                } else if bucket.is_shared {
                    DirectoryBucket::open_shared(folder, self.durability, is_sealed)
                } else if is_sealed {
                    DirectoryBucket::open_sealed(folder, self.durability)
                } else {
                    DirectoryBucket::open(folder, self.durability)
                };
                Ok(Arc::new(opened.map_err(explain)?))
            }
            // The clients' futures are long, and most places are no store's.
            BucketPlace::S3(place) => Box::pin(self.s3(place, is_sealed)).await,
            BucketPlace::Gcs(place) => self.gcs(place).await,
            BucketPlace::Azure(place) => self.azure(place).await,
        }
    }

    #[cfg(feature = "gcs")]
    async fn gcs(&self, place: &CloudPlace) -> anyhow::Result<Arc<dyn Bucket>> {
        let credential = self.credential(place).await?;
        let credential = credential.as_ref().map(Secret::reveal);
        let bucket = qm_store::CloudBucket::gcs(place, credential).map_err(explain)?;
        Ok(Arc::new(bucket))
    }

    #[cfg(feature = "azure")]
    async fn azure(&self, place: &CloudPlace) -> anyhow::Result<Arc<dyn Bucket>> {
        let credential = self.credential(place).await?;
        let credential = credential.as_ref().map(Secret::reveal);
        let bucket = qm_store::CloudBucket::azure(place, credential).map_err(explain)?;
        Ok(Arc::new(bucket))
    }

    #[cfg(not(feature = "gcs"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    async fn gcs(&self, _: &CloudPlace) -> anyhow::Result<Arc<dyn Bucket>> {
        bail!("this build has no Google Cloud Storage; build it with `--features gcs`")
    }

    #[cfg(not(feature = "azure"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    async fn azure(&self, _: &CloudPlace) -> anyhow::Result<Arc<dyn Bucket>> {
        bail!("this build has no Azure Blob Storage; build it with `--features azure`")
    }

    #[cfg(any(feature = "gcs", feature = "azure"))]
    async fn credential(&self, place: &CloudPlace) -> anyhow::Result<Option<Secret>> {
        match &place.credential {
            None => Ok(None),
            Some(name) => self.secrets.get(name).await.map(Some).map_err(explain),
        }
    }

    async fn s3(&self, place: &S3Place, is_sealed: bool) -> anyhow::Result<Arc<dyn Bucket>> {
        let contents = if is_sealed {
            S3Contents::Sealed
        } else {
            S3Contents::Clear
        };
        let bucket = self.memory.open(place, contents).await.map_err(explain)?;
        if let Some(warning) = bucket.lifecycle_warning(self.partial_kept).await {
            tracing::warn!(
                bucket = place.bucket,
                warning,
                "The S3 bucket's life-cycle rules"
            );
        }
        Ok(Arc::new(bucket))
    }
}
