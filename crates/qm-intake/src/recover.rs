//! What a new start finds: changes of names that were recorded and not finished, and bytes that
//! nothing refers to any more.

use std::collections::HashSet;

use crate::Intake;
use qm_core::id::BucketName;
use qm_core::operation::StagedToken;
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
        let hidden = shared.parts.ledger.hidden().await?;
        for (path, version) in &hidden {
            if let Some(bucket) = shared.parts.buckets.get(&path.bucket) {
                bucket.remember(path, version).await?;
            }
        }
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
            // Only what is certain is recorded: the client may have been told that it is done.
            if let Some(error) = failure
                .as_ref()
                .filter(|error| is_of_the_moment(error.kind()))
            {
                return Err(Error::new(
                    error.kind(),
                    format!(
                        "bucket `{}` cannot complete what was begun before the last stop",
                        operation.path.bucket
                    ),
                )
                .help("start again when its place can be reached")
                .with("cause", error.chain()));
            }
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
        let referred = self.referred().await?;
        for name in buckets {
            let bucket = shared.bucket(name)?;
            if bucket.needs_token() && shared.parts.rules.is_watched(name) {
                // Others upload there too, and the store does not say whose an upload is.
                continue;
            }
            for token in bucket.leftovers().await? {
                if !referred.contains(&token) {
                    bucket.discard(&token).await?;
                    recovered.discarded += 1;
                }
            }
        }
        Ok(recovered)
    }

    /// Staged bytes that a row in the ledger speaks of.
    async fn referred(&self) -> Result<HashSet<StagedToken>> {
        let ledger = &self.shared.parts.ledger;
        let partials = ledger.partials().await?;
        let hidden = ledger.hidden().await?;
        let parked = partials.into_iter().map(|partial| partial.parked.token);
        Ok(parked
            .chain(hidden.into_iter().filter_map(|(_, version)| version.staged))
            .collect())
    }
}

/// Whether the same may work at the next start.
fn is_of_the_moment(kind: Kind) -> bool {
    match kind {
        Kind::Limit | Kind::Timeout | Kind::Unavailable => true,
        Kind::AlreadyExists
        | Kind::Bug
        | Kind::Conflict
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Refused
        | Kind::Unauthenticated
        | Kind::Unsupported => false,
    }
}
