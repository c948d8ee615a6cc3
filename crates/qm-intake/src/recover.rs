//! What a new start finds: changes of names that were recorded and not finished, and bytes that
//! nothing refers to any more.

use std::collections::HashSet;

use crate::Intake;
use qm_core::id::BucketName;
use qm_core::ports::bucket::Place;
use qm_core::{Error, Kind, Result};

/// What recovery did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recovered {
    /// Name operations that were completed.
    pub completed: u32,
    /// Name operations that could not be completed and are recorded as failed.
    pub failed: u32,
    /// Staged bytes of uploads that were never answered, removed.
    pub discarded: u32,
}

impl Intake {
    /// Completes what a crash left half done in these buckets. Before the first front opens:
    /// nothing else may touch them meanwhile.
    pub async fn recover(&self, buckets: &[BucketName]) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        let shared = &self.shared;
        for operation in shared.parts.ledger.pending().await? {
            let bucket = shared
                .parts
                .buckets
                .get(&operation.path.bucket)
                .ok_or_else(|| {
                    Error::new(
                        Kind::Unavailable,
                        format!(
                            "bucket `{}` has an unfinished change but is not configured",
                            operation.path.bucket
                        ),
                    )
                    .help("bring the bucket back into the configuration and start again")
                })?;
            let failure = bucket.run(&operation).await.err();
            let reason = failure.as_ref().map(Error::chain);
            shared.conclude(&operation, reason.as_deref()).await?;
            match failure {
                None => recovered.completed += 1,
                Some(_) => recovered.failed += 1,
            }
        }
        let partials = shared.parts.ledger.partials().await?;
        for partial in &partials {
            shared.open.broke_off(&partial.account, &partial.path);
        }
        let referred: HashSet<_> = partials.iter().map(|partial| partial.version).collect();
        for name in buckets {
            let bucket = shared.bucket(name)?;
            for version in bucket.leftovers(Place::Staging).await? {
                if !referred.contains(&version) {
                    bucket.discard(version, Place::Staging).await?;
                    recovered.discarded += 1;
                }
            }
        }
        Ok(recovered)
    }
}
