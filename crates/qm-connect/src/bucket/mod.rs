//! Destination `bucket`: a bucket of the configuration, or one that was looked up.
//!
//! The object appears at once and whole, and only if the name still shows what it showed before
//! the last look at the fence: a node that was stopped in between overwrites nothing newer. A
//! delivery has the same version id in every attempt, so an object store that has the object
//! already says so, and who watches the bucket sees one arrival.

mod send;
mod test;

use async_trait::async_trait;
use qm_core::config::BucketDestination;
use qm_core::delivery::{Delivery, Outcome};
use qm_core::id::VersionId;
use qm_core::name::ObjectKey;
use qm_core::operation::Version;
use qm_core::ports::bucket::{Bucket, Buckets, Content};
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::ports::deposit::{Deposit, Put};
use qm_core::{Error, Kind, Result, Retry};
use std::sync::Arc;

use crate::names::{AWAY, NOT_OURS, not_a_name};
use qm_core::ports::findings::Findings;

/// Delivers into a bucket.
pub struct BucketConnector {
    source: Source,
    config: BucketDestination,
}

/// Where the bucket comes from.
enum Source {
    Named(Arc<dyn Buckets>),
    Opened(Arc<dyn OpensBucket>),
}

/// Opens the bucket of a destination that the configuration does not know.
#[async_trait]
pub trait OpensBucket: Send + Sync {
    /// The bucket: asked for at each delivery, opened by the first for which it answers.
    async fn bucket(&self) -> Result<Arc<dyn Bucket>>;
}

impl BucketConnector {
    /// For one configured destination; the bucket is that of the running revision at each delivery.
    pub fn new(config: &BucketDestination, buckets: Arc<dyn Buckets>) -> Self {
        Self {
            source: Source::Named(buckets),
            config: config.clone(),
        }
    }

    /// For a bucket that is opened when something goes there; of `config`, the bucket's name is only
    /// what it is called.
    pub fn opening(config: BucketDestination, bucket: Arc<dyn OpensBucket>) -> Self {
        Self {
            source: Source::Opened(bucket),
            config,
        }
    }

    async fn attempt(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Result<String> {
        let (bucket, key) = (self.bucket().await?, self.key(shipment.target)?);
        let version = version(shipment.delivery);
        let what = format!(
            "{} bytes with SHA-256 {}",
            version.size_bytes, version.sha256
        );
        let deposit = self.deposit(shipment.delivery);
        let before = bucket.identity(&key).await?;
        if before.as_ref() == Some(&version.identity) {
            return Ok(format!("{what}, there already from an earlier attempt"));
        }
        let mut why_not = String::new();
        if let Some(source) = content.stored() {
            fence.check().await?;
            let put = Put {
                key: &key,
                version: &version,
                deposit,
                replaces: before.as_deref(),
            };
            match bucket.put_copy(&source, put).await {
                Ok(true) => return Ok(format!("{what}, copied by the store itself")),
                Ok(false) => {}
                Err(error) if error.kind() == Kind::Conflict => return Err(again(error)),
                // It may read there only for us, or copy only its own: through us it goes as well.
                Err(error) => {
                    why_not = format!("; the store did not copy by itself: {}", error.chain());
                }
            }
        }
        let target = send::Target {
            bucket: &*bucket,
            key: &key,
            version: &version,
            deposit,
        };
        send::send(&target, shipment.pace, content, fence).await?;
        Ok(format!("{what}{why_not}"))
    }

    async fn take_away(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Result<String> {
        let (bucket, key) = (self.bucket().await?, self.key(shipment.target)?);
        let Some(found) = bucket.identity(&key).await? else {
            return Ok(AWAY.to_owned());
        };
        for copy in copies {
            let version = version(copy);
            // Objects say themselves whose they are; where they do not, the bytes must do.
            let is_it = found == version.identity
                || (bucket.keeps_attributes() && send::is_same(&*bucket, &key, &version).await?);
            if !is_it {
                continue;
            }
            fence.check().await?;
            if bucket.withdraw(&key, &found).await? {
                return Ok(format!("removed, with SHA-256 {}", version.sha256));
            }
            let changed = Error::new(Kind::Conflict, "somebody else changed the file meanwhile");
            return Err(again(changed));
        }
        Ok(NOT_OURS.to_owned())
    }

    async fn bucket(&self) -> Result<Arc<dyn Bucket>> {
        let buckets = match &self.source {
            Source::Named(buckets) => buckets,
            Source::Opened(bucket) => return bucket.bucket().await,
        };
        buckets.get(&self.config.bucket).ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                "the bucket that this destination is in is not open",
            )
            .with("bucket", &self.config.bucket)
        })
    }

    fn key(&self, target: &str) -> Result<ObjectKey> {
        let key = self.config.prefix.join(target);
        key.map_err(|cause| not_a_name(target, cause))
    }

    fn deposit(&self, delivery: &Delivery) -> Deposit {
        Deposit {
            delivery: delivery.id,
            owner_full_control: self.config.owner_full_control,
        }
    }
}

#[async_trait]
impl Connector for BucketConnector {
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        match self.attempt(shipment, content, fence).await {
            Ok(note) => Outcome::Delivered(note),
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn remove(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Outcome {
        match self.take_away(shipment, copies, fence).await {
            Ok(note) => Outcome::Delivered(note),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// By what the object says of itself; where objects say nothing, by the bytes.
    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool> {
        let (bucket, key) = (self.bucket().await?, self.key(shipment.target)?);
        let version = version(shipment.delivery);
        let Some(found) = bucket.identity(&key).await? else {
            return Ok(false);
        };
        if found == version.identity {
            return Ok(true);
        }
        if !send::is_same(&*bucket, &key, &version).await? {
            return Ok(false);
        }
        // The crash may have come before the name was durable.
        let there = Version {
            identity: found.clone(),
            ..version
        };
        let put = Put {
            key: &key,
            version: &there,
            deposit: self.deposit(shipment.delivery),
            replaces: Some(&found),
        };
        bucket.put(put).await.map_err(again)?;
        Ok(true)
    }

    /// Whoever owns the bucket may have removed or replaced the object.
    fn proves_absence(&self) -> bool {
        false
    }

    async fn test(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let tried = self.try_out(&mut findings).await;
        findings.ended(tried)
    }
}

/// What the delivery puts there, as object stores know it. Its id has 80 bits of the delivery's and
/// the time of the arrival, so no other version ever has it.
fn version(delivery: &Delivery) -> Version {
    let milliseconds = u64::try_from(delivery.arrived_at.as_millisecond()).unwrap_or_default();
    let bits = delivery.id.to_string();
    let bits = bits.get(..20).unwrap_or_default();
    let id = VersionId::from_parts(
        milliseconds,
        u128::from_str_radix(bits, 16).unwrap_or_default(),
    );
    Version {
        id,
        identity: id.to_string(),
        staged: None,
        ..delivery.version.clone()
    }
}

/// What changed at the destination meanwhile, staged bytes included, is made again by the next
/// attempt.
fn again(error: Error) -> Error {
    if matches!(error.kind(), Kind::Conflict | Kind::NotFound) {
        return error.retry(Retry::Later);
    }
    error
}
