//! Destinations without a node: what commands need that try one, or look one up.

use anyhow::Context as _;
use std::sync::Arc;

use super::buckets::{By, OpenBuckets, Opener};
use super::connectors::Connectors;
use super::stores::UploadMemory;
use super::{Durability, secret_stores};
use crate::system::SystemClock;
use qm_access::EncryptionKeyStore;
use qm_core::config::{Config, DestinationPlace};
use qm_core::id::{BucketName, DestinationName};
use qm_core::ports::access::Secrets;
use qm_core::ports::bucket::{Bucket, Buckets};

/// The ways to destinations of a configuration. Of its buckets, that of `destination` alone is
/// opened.
pub(crate) async fn connectors_for(
    config: &Config,
    destination: Option<&DestinationName>,
) -> anyhow::Result<Connectors> {
    let secrets: Arc<dyn Secrets> = Arc::new(secret_stores(config)?);
    let destination = destination.and_then(|name| config.destinations.get(name));
    let wanted = match destination.map(|destination| &destination.place) {
        Some(DestinationPlace::Bucket(place)) => Some(&place.bucket),
        // What rejected rows need is not tried: a running node has the bucket.
        Some(
            DestinationPlace::Directory(_) | DestinationPlace::Sftp(_) | DestinationPlace::Table(_),
        )
        | None => None,
    };
    let opened = open(config, wanted, &secrets).await?;
    let buckets = Arc::new(Opened(opened));
    Ok(Connectors::new(secrets, buckets, memory(config)))
}

/// A bucket of the configuration, as it is below what else the node does with it.
pub(crate) async fn one_bucket(
    config: &Config,
    name: &BucketName,
) -> anyhow::Result<Arc<dyn Bucket>> {
    let secrets: Arc<dyn Secrets> = Arc::new(secret_stores(config)?);
    let opened = open(config, Some(name), &secrets).await?;
    opened.get(name).context("a bucket of the configuration")
}

async fn open(
    config: &Config,
    wanted: Option<&BucketName>,
    secrets: &Arc<dyn Secrets>,
) -> anyhow::Result<OpenBuckets> {
    let mut buckets = config.buckets.clone();
    buckets.retain(|name, _| Some(name) == wanted);
    let keys = EncryptionKeyStore::new(config.node.encryption_keys.clone(), Arc::new(SystemClock));
    keys.update(&config.encryption_keys);
    let opener = Opener {
        by: By::Trial,
        durability: Durability::Full,
        keys: Arc::new(keys),
        memory: memory(config),
        secrets: Arc::clone(secrets),
        partial_kept: config.node.partial_kept,
    };
    OpenBuckets::default().of(&buckets, &opener).await
}

/// Apart from that of a running node, which is its own.
fn memory(config: &Config) -> UploadMemory {
    UploadMemory::new(config.node.data.join("spill/of-commands"))
}

struct Opened(OpenBuckets);

impl Buckets for Opened {
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        self.0.get(name)
    }
}
